// How a person moves the camera: pointer, wheel, touch and keys. The camera is a pose and a target
// in front of it, about which it turns; `changed` is called after each movement.

const FLYING = {
  KeyW: [0, 0, 1], KeyS: [0, 0, -1], KeyA: [-1, 0, 0], KeyD: [1, 0, 0],
  KeyE: [0, -1, 0], KeyQ: [0, 1, 0],
};
const STEEPEST = 0.995; // cosine between the line of sight and up
const SPEED = 0.6; // radii a second

function makeCamera(scene) {
  const camera = {rotation: [1, 0, 0, 0, 1, 0, 0, 0, 1], position: [0, 0, 0], target: [0, 0, 1]};

  camera.place = function (rotation, position, lens) {
    camera.rotation = rotation.slice();
    camera.position = position.slice();
    camera.lens = lens;
    const ahead = axisOf(rotation, 2);
    const distance = dot(plus(scene.center, position, -1), ahead);
    camera.target = plus(position, ahead, distance > 0.1 * scene.radius ? distance : scene.radius);
  };

  function turn(by, around) {
    camera.rotation = orthonormal(product(by, camera.rotation));
    camera.position = plus(around, turned(by, plus(camera.position, around, -1)));
    camera.target = plus(around, turned(by, plus(camera.target, around, -1)));
  }

  /** Turn about a point by angles to the side and up, ever more upright, never over the top. */
  camera.turn = function (aside, upward, around) {
    turn(rotationAbout(scene.up, aside), around);
    const right = axisOf(camera.rotation, 0);
    const tilt = rotationAbout(right, upward);
    const before = dot(axisOf(camera.rotation, 2), scene.up);
    const after = dot(turned(tilt, axisOf(camera.rotation, 2)), scene.up);
    if (Math.abs(after) < STEEPEST || Math.abs(after) < Math.abs(before)) turn(tilt, around);
    const roll = rollOf(camera.rotation, scene.up);
    turn(rotationAbout(axisOf(camera.rotation, 2), 0.15 * roll), camera.position);
  };

  camera.shift = function (by) {
    camera.position = plus(camera.position, by);
    camera.target = plus(camera.target, by);
  };

  /** To the side by pixels of the page, so that what is at the target stays under the pointer. */
  camera.pan = function (x, y, focal) {
    const distance = lengthOf(plus(camera.target, camera.position, -1)) / focal;
    const by = plus([0, 0, 0], axisOf(camera.rotation, 0), -x * distance);
    camera.shift(plus(by, axisOf(camera.rotation, 1), -y * distance));
  };

  camera.zoom = function (factor) {
    const arm = plus(camera.position, camera.target, -1);
    const distance = limited(lengthOf(arm) * factor, 4 * scene.near, 50 * scene.radius);
    camera.position = plus(camera.target, unit(arm), distance);
  };

  /** Look at a point, from as far away, in the same direction. */
  camera.center = function (point) {
    camera.shift(plus(point, camera.target, -1));
  };

  /** Move by what is held down for so many seconds. */
  camera.fly = function (keys, seconds, fast) {
    let by = [0, 0, 0];
    keys.forEach(function (key) {
      for (let axis = 0; axis < 3; axis++) {
        by = plus(by, axisOf(camera.rotation, axis), FLYING[key][axis]);
      }
    });
    camera.shift(plus([0, 0, 0], unit(by), SPEED * scene.radius * seconds * (fast ? 4 : 1)));
  };
  return camera;
}

function makeControls(canvas, camera, focal, actions) {
  const TURN = Math.PI; // radians of a drag across the shorter side
  const pointers = new Map(), held = new Set();
  let fast = false, flying = false;

  function looksAround() {
    return flying || held.size > 0;
  }

  function drag(x, y, pans) {
    const side = Math.min(canvas.clientWidth, canvas.clientHeight) || 1;
    const angle = TURN / side;
    if (pans) camera.pan(x, y, focal());
    else if (looksAround()) camera.turn(0.4 * x * angle, 0.4 * y * angle, camera.position);
    else camera.turn(-x * angle, -y * angle, camera.target);
    actions.changed();
  }

  function middle() {
    const all = Array.from(pointers.values());
    const x = (all[0].x + all[1].x) / 2, y = (all[0].y + all[1].y) / 2;
    return {x: x, y: y, apart: Math.hypot(all[0].x - all[1].x, all[0].y - all[1].y) || 1};
  }

  canvas.addEventListener("pointerdown", function (event) {
    canvas.setPointerCapture(event.pointerId);
    const pans = event.button === 2 || event.button === 1 || event.shiftKey;
    pointers.set(event.pointerId, {x: event.clientX, y: event.clientY, pans: pans});
    canvas.focus({preventScroll: true});
  });
  canvas.addEventListener("pointermove", function (event) {
    const pointer = pointers.get(event.pointerId);
    if (!pointer) return;
    const before = pointers.size === 2 ? middle() : null;
    const x = event.clientX - pointer.x, y = event.clientY - pointer.y;
    pointer.x = event.clientX;
    pointer.y = event.clientY;
    if (before) {
      const after = middle();
      camera.zoom(before.apart / after.apart);
      drag(after.x - before.x, after.y - before.y, true);
    } else if (pointers.size === 1) {
      drag(x, y, pointer.pans);
    }
  });
  ["pointerup", "pointercancel", "lostpointercapture"].forEach(function (name) {
    canvas.addEventListener(name, function (event) { pointers.delete(event.pointerId); });
  });
  canvas.addEventListener("contextmenu", function (event) { event.preventDefault(); });
  canvas.addEventListener("wheel", function (event) {
    event.preventDefault();
    const lines = event.deltaMode === 1 ? 16 : 1;
    camera.zoom(Math.exp(limited(event.deltaY * lines, -200, 200) * 0.0015));
    actions.changed();
  }, {passive: false});
  canvas.addEventListener("dblclick", function (event) {
    const box = canvas.getBoundingClientRect();
    actions.pick(event.clientX - box.left, event.clientY - box.top);
  });

  window.addEventListener("keydown", function (event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    fast = event.shiftKey;
    if (FLYING[event.code]) {
      held.add(event.code);
      actions.changed();
    } else if (/^Digit[1-9]$/.test(event.code)) {
      actions.show(Number(event.code.slice(5)) - 1);
    } else {
      actions.key(event.key);
    }
  });
  window.addEventListener("keyup", function (event) {
    fast = event.shiftKey;
    held.delete(event.code);
  });
  window.addEventListener("blur", function () { held.clear(); });

  return {
    /** What keys that are held do in so many seconds; whether anything moves. */
    advance: function (seconds) {
      if (!held.size) return false;
      camera.fly(Array.from(held), Math.min(seconds, 0.2), fast);
      return true;
    },
    setFlying: function (value) { flying = value; },
    flying: function () { return flying; },
  };
}
