// Vectors are arrays of 3, rotations arrays of 9, row by row. Axes of cameras: +x right, +y down,
// +z forward; a pose is world from camera: {rotation, position}.

function dot(a, b) {
  return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
}

function cross(a, b) {
  return [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];
}

function plus(a, b, times) {
  const t = times === undefined ? 1 : times;
  return [a[0] + t * b[0], a[1] + t * b[1], a[2] + t * b[2]];
}

function lengthOf(a) {
  return Math.hypot(a[0], a[1], a[2]);
}

function unit(a) {
  const length = lengthOf(a) || 1;
  return [a[0] / length, a[1] / length, a[2] / length];
}

function limited(value, least, most) {
  return Math.min(Math.max(value, least), most);
}

function product(a, b) {
  const c = new Array(9);
  for (let i = 0; i < 3; i++) {
    for (let j = 0; j < 3; j++) {
      c[3 * i + j] = a[3 * i] * b[j] + a[3 * i + 1] * b[3 + j] + a[3 * i + 2] * b[6 + j];
    }
  }
  return c;
}

function transposed(a) {
  return [a[0], a[3], a[6], a[1], a[4], a[7], a[2], a[5], a[8]];
}

function turned(rotation, v) {
  return [dot(rotation.slice(0, 3), v), dot(rotation.slice(3, 6), v), dot(rotation.slice(6), v)];
}

/** Column i: where axis i of the camera points in the world. */
function axisOf(rotation, i) {
  return [rotation[i], rotation[3 + i], rotation[6 + i]];
}

/** The rotation by an angle, radians, about a unit axis (Rodrigues). */
function rotationAbout(axis, angle) {
  const [x, y, z] = axis;
  const s = Math.sin(angle), c = 1 - Math.cos(angle);
  return [
    1 - c * (y * y + z * z), c * x * y - s * z, c * x * z + s * y,
    c * x * y + s * z, 1 - c * (x * x + z * z), c * y * z - s * x,
    c * x * z - s * y, c * y * z + s * x, 1 - c * (x * x + y * y),
  ];
}

/** The same with columns of unit length at right angles: many small turns wear them out. */
function orthonormal(rotation) {
  const z = unit(axisOf(rotation, 2));
  const x = unit(cross(axisOf(rotation, 1), z));
  const y = cross(z, x);
  return [x[0], y[0], z[0], x[1], y[1], z[1], x[2], y[2], z[2]];
}

/** The angle by which a camera leans to the side, radians: 0 where up is straight up in it. */
function rollOf(rotation, up) {
  const right = dot(axisOf(rotation, 0), up), above = -dot(axisOf(rotation, 1), up);
  return Math.hypot(right, above) < 1e-3 ? 0 : Math.atan2(right, above);
}

/**
 * What draws need of a camera: camera from world, and a lens in pixels of a picture.
 * The lens' own picture is wholly in view, in the middle.
 */
function viewOf(pose, lens, width, height) {
  const scale = Math.min(width / lens.width, height / lens.height);
  const rotation = transposed(pose.rotation);
  const moved = turned(rotation, pose.position);
  return {
    rotation: rotation,
    translation: [-moved[0], -moved[1], -moved[2]],
    position: pose.position,
    fx: lens.fx * scale,
    fy: lens.fy * scale,
    cx: width / 2 + (lens.cx - lens.width / 2) * scale,
    cy: height / 2 + (lens.cy - lens.height / 2) * scale,
    width: width,
    height: height,
  };
}
