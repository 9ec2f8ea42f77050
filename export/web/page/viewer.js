// The page: reads what it carries, draws when something has changed, and `window.polyfield`.

function element(id) {
  return document.getElementById(id);
}

function say(message) {
  element("message").textContent = message;
  element("message").hidden = false;
}

function contextOf(canvas) {
  const gl = canvas.getContext("webgl2", {
    alpha: false, antialias: false, depth: false, powerPreference: "high-performance",
  });
  if (!gl) throw new Error("This page needs WebGL2, which this browser or device does not offer.");
  return gl;
}

function drawingOf(gl, scene, parts, changed) {
  if (scene.kind === "splats") {
    return Promise.resolve(makeSplats(gl, scene, parts, changed));
  }
  if (!parts.image) return Promise.resolve(makeMesh(gl, scene, parts, null));
  return pictureOf(gl, parts.image, scene.image_type).then(function (texture) {
    return makeMesh(gl, scene, parts, texture);
  });
}

function makeViewer(canvas, scene, parts) {
  const camera = makeCamera(scene), quality = makeQuality();
  let gl = null, drawing = null, surface = null, scheduled = false;
  let moved = false, stillSince = 0, dirty = true, lastFrame = 0, frames = 0, shown = null;

  function schedule() {
    if (scheduled) return;
    scheduled = true;
    requestAnimationFrame(frame);
  }

  function changed() {
    moved = true;
    schedule();
  }

  function redraw() {
    dirty = true;
    schedule();
  }

  function fitCanvas() {
    const ratio = Math.min(window.devicePixelRatio || 1, MOST_RATIO);
    const most = gl.getParameter(gl.MAX_TEXTURE_SIZE);
    const width = limited(Math.round(canvas.clientWidth * ratio), 1, most);
    const height = limited(Math.round(canvas.clientHeight * ratio), 1, most);
    if (canvas.width !== width || canvas.height !== height) {
      canvas.width = width;
      canvas.height = height;
    }
    surface.resize(width, height);
  }

  /** Draw at a scale; finely for a picture that stands still, at once without a frame's wait. */
  function draw(scale, finely, atOnce) {
    fitCanvas();
    const width = Math.max(1, Math.round(canvas.width * scale));
    const height = Math.max(1, Math.round(canvas.height * scale));
    const view = viewOf(camera, camera.lens, width, height);
    const full = viewOf(camera, camera.lens, canvas.width, canvas.height);
    if (atOnce) drawing.prepareNow(full);
    const sorted = atOnce || drawing.prepare(full);
    drawing.draw(view, function () { surface.begin(width, height, finely); });
    surface.end(width, height);
    frames++;
    shown = {scale: scale, final: finely && sorted};
  }

  function frame(now) {
    scheduled = false;
    if (!drawing || gl.isContextLost()) return;
    const seconds = (now - lastFrame) / 1000;
    lastFrame = now;
    if (controls.advance(seconds)) moved = true;
    if (moved) {
      moved = false;
      dirty = true;
      draw(quality.scale(), false, false);
      quality.moved(now);
      stillSince = performance.now();
      schedule();
    } else if (performance.now() - stillSince < SETTLED) {
      schedule();
    } else if (dirty || !shown.final) {
      dirty = false;
      quality.still();
      draw(1, true, false);
      if (!shown.final) schedule();
    }
    tell();
  }

  function tell() {
    const rate = quality.rate();
    element("stats").textContent = scene.said + (rate ? ", " + rate.toFixed(0) + " fps" : "");
  }

  function begin() {
    gl = contextOf(canvas);
    return drawingOf(gl, scene, parts, redraw).then(function (made) {
      surface = makeSurface(gl, scene.background, made.edges);
      drawing = made;
      redraw();
    });
  }

  const controls = makeControls(canvas, camera, function () {
    return viewOf(camera, camera.lens, canvas.clientWidth, canvas.clientHeight).fx;
  }, {
    changed: changed,
    show: function (i) { showCamera(i); },
    key: function (key) { panel.key(key); },
    pick: function (x, y) {
      const point = pointAt(x, y);
      if (!point) return;
      camera.center(point);
      changed();
    },
  });

  /** The point of the scene under a place of the page, or null. */
  function pointAt(x, y) {
    const ratio = canvas.width / canvas.clientWidth;
    const view = viewOf(camera, camera.lens, canvas.width, canvas.height);
    const i = limited(Math.floor(x * ratio), 0, canvas.width - 1);
    const j = limited(Math.floor(y * ratio), 0, canvas.height - 1);
    const depth = drawing.depthAt(view, i, j);
    redraw();
    if (depth === null) return null;
    const ray = [(i + 0.5 - view.cx) / view.fx, (j + 0.5 - view.cy) / view.fy, 1];
    return plus(camera.position, turned(camera.rotation, ray), depth);
  }

  function showCamera(i) {
    const chosen = scene.cameras[i];
    if (!chosen) return;
    const p = chosen.pose, k = chosen.lens;
    camera.place(
      [p[0], p[1], p[2], p[4], p[5], p[6], p[8], p[9], p[10]], [p[3], p[7], p[11]],
      {fx: k[0], fy: k[1], cx: k[2], cy: k[3], width: k[4], height: k[5]});
    panel.chose(i);
    changed();
  }

  const panel = makePanel(scene, {show: showCamera, fly: controls.setFlying});
  showCamera(0);
  new ResizeObserver(redraw).observe(canvas);
  canvas.addEventListener("webglcontextlost", function (event) {
    event.preventDefault();
    drawing = null;
  });
  canvas.addEventListener("webglcontextrestored", function () { begin().catch(fail); });

  window.polyfield = {
    /** Rows [3][4] or [4][4] of world from camera, and a lens in pixels of a picture. */
    setCamera: function (worldFromCamera, fx, fy, cx, cy, width, height) {
      const p = worldFromCamera.map(function (row) { return Array.from(row); });
      camera.place(
        [0, 1, 2].reduce(function (all, i) { return all.concat(p[i].slice(0, 3)); }, []),
        [p[0][3], p[1][3], p[2][3]],
        {fx: fx, fy: fy, cx: cx, cy: cy, width: width, height: height});
      changed();
    },
    /** Draw all pixels in the right order, now. */
    render: function () {
      draw(1, true, true);
      moved = dirty = false;
      quality.still();
    },
    pointAt: pointAt,
    stats: function () {
      const known = {
        frames: frames, rate: quality.rate(), scale: shown && shown.scale, count: scene.count,
        final: shown && shown.final && !moved && !dirty, deep: surface.deep,
        width: canvas.width, height: canvas.height,
        position: camera.position.slice(), target: camera.target.slice(),
      };
      return Object.assign(known, drawing.stats());
    },
  };
  return begin();
}

function fail(error) {
  say(error && error.message ? error.message : String(error));
  document.documentElement.dataset.state = "failed";
}

function main() {
  const scene = JSON.parse(element("scene").textContent);
  Promise.resolve()
    .then(function () { return contextOf(document.createElement("canvas")); })
    .then(function () { return unzipped(bytesOf(element("data").textContent.trim())); })
    .then(function (buffer) {
      element("data").remove();
      return makeViewer(element("canvas"), scene, partsOf(buffer, scene.parts));
    })
    .then(function () { document.documentElement.dataset.state = "ready"; })
    .catch(fail);
}

main();
