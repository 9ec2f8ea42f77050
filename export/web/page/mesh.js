// A scene of triangles, in the colours of their corners, of a texture, or grey; without light.

const CORNERS = `#version 300 es
precision highp float;
layout(location = 0) in vec3 place;
layout(location = 1) in vec3 tint;
layout(location = 2) in vec2 uv;
uniform vec3 low, span;
uniform mat3 rotation;
uniform vec3 translation;
uniform vec4 lens;
uniform vec2 size, range;
out vec3 seen, color;
out vec2 at;

void main() {
  seen = rotation * (low + place * span) + translation;
  color = tint;
  at = uv;
  vec2 pixel = lens.xy * seen.xy + lens.zw * seen.z;
  float deep = range.y - range.x;
  gl_Position = vec4(
    2.0 / size.x * pixel.x - seen.z,
    seen.z - 2.0 / size.y * pixel.y,
    ((range.y + range.x) * seen.z - 2.0 * range.y * range.x) / deep,
    seen.z);
}`;

const PAINT = `#version 300 es
precision highp float;
in vec3 seen, color;
in vec2 at;
uniform int paint;
uniform float depthUnit;
uniform bool drawDepth;
uniform sampler2D image;
out vec4 result;

void main() {
  vec3 painted = color;
  if (paint == 1) painted = texture(image, vec2(at.x, 1.0 - at.y)).rgb;
  if (paint == 2) {
    vec3 normal = normalize(cross(dFdx(seen), dFdy(seen)));
    painted = vec3(0.15 + 0.75 * abs(dot(normal, normalize(seen))));
  }
  result = vec4(drawDepth ? vec3(seen.z / depthUnit) : painted, 1.0);
}`;

function pictureOf(gl, bytes, type) {
  const texture = gl.createTexture();
  const plain = {colorSpaceConversion: "none", premultiplyAlpha: "none"};
  return createImageBitmap(new Blob([bytes], {type: type}), plain).then(function (image) {
    const most = gl.getParameter(gl.MAX_TEXTURE_SIZE);
    if (Math.max(image.width, image.height) > most) {
      throw new Error("This graphics card holds no texture wider than " + most + " pixels.");
    }
    gl.bindTexture(gl.TEXTURE_2D, texture);
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGB8, gl.RGB, gl.UNSIGNED_BYTE, image);
    gl.generateMipmap(gl.TEXTURE_2D);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, gl.LINEAR_MIPMAP_LINEAR);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MAG_FILTER, gl.LINEAR);
    return texture;
  });
}

function makeMesh(gl, scene, parts, texture) {
  const n = parts.places.length / 3, faces = summed(parts.corners);
  const program = compiled(gl, CORNERS, PAINT);
  const array = gl.createVertexArray();
  gl.bindVertexArray(array);

  function attribute(at, values, width, type) {
    const buffer = gl.createBuffer();
    gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
    gl.bufferData(gl.ARRAY_BUFFER, values, gl.STATIC_DRAW);
    gl.enableVertexAttribArray(at);
    gl.vertexAttribPointer(at, width, type, true, 0, 0);
  }

  attribute(0, beside(parts.places, n, 3), 3, gl.UNSIGNED_SHORT);
  if (parts.colors) attribute(1, parts.colors, 3, gl.UNSIGNED_BYTE);
  if (parts.uvs) attribute(2, beside(parts.uvs, n, 2), 2, gl.UNSIGNED_SHORT);
  const indices = gl.createBuffer();
  gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, indices);
  gl.bufferData(gl.ELEMENT_ARRAY_BUFFER, faces, gl.STATIC_DRAW);
  gl.bindVertexArray(null);
  const paint = texture ? 1 : parts.colors ? 0 : 2;
  const blank = texture || texels(gl, gl.RGB8, gl.RGB, gl.UNSIGNED_BYTE, 1, 1, null);

  function drawAll(view, depth) {
    const away = lengthOf(plus(view.position, scene.center, -1));
    const far = (away + scene.extent) * 1.01;
    const near = Math.max(scene.near, (away - scene.extent) * 0.99, far * 1e-5);
    gl.bindVertexArray(array);
    gl.disable(gl.BLEND);
    gl.enable(gl.DEPTH_TEST);
    gl.useProgram(program.program);
    bindTextures(gl, program, {image: blank});
    const at = program.uniforms;
    gl.uniform3fv(at.low, scene.low);
    gl.uniform3fv(at.span, scene.span);
    gl.uniformMatrix3fv(at.rotation, true, view.rotation);
    gl.uniform3fv(at.translation, view.translation);
    gl.uniform4f(at.lens, view.fx, view.fy, view.cx, view.cy);
    gl.uniform2f(at.size, view.width, view.height);
    gl.uniform2f(at.range, near, far);
    gl.uniform1i(at.paint, paint);
    gl.uniform1f(at.depthUnit, scene.radius);
    gl.uniform1i(at.drawDepth, depth ? 1 : 0);
    gl.drawElements(gl.TRIANGLES, faces.length, gl.UNSIGNED_INT, 0);
    gl.bindVertexArray(null);
  }

  return {
    edges: true,
    prepare: function () { return true; },
    prepareNow: function () {},
    draw: function (view, begin) {
      begin();
      drawAll(view, false);
    },
    depthAt: function (view, x, y) {
      const pixel = onePixel(gl, view.width, view.height, x, view.height - 1 - y, function () {
        drawAll(view, true);
      });
      return pixel[3] > 0.5 ? pixel[0] * scene.radius : null;
    },
    stats: function () {
      return {drawn: faces.length / 3};
    },
  };
}

/** [n, width] of numbers that lie axis by axis. */
function beside(numbers, n, width) {
  const rows = new Uint16Array(width * n);
  for (let i = 0; i < n; i++) {
    for (let axis = 0; axis < width; axis++) rows[width * i + axis] = numbers[axis * n + i];
  }
  return rows;
}
