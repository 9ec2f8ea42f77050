// Gaussians by depth, far to near, without those out of view.

/**
 * A sorter of n centres [3 n] with radii [n]. `start` takes the numbers of `sortOf`; `step` works
 * for so many milliseconds and returns the order, or null while it is not done. It stands alone:
 * its source is what the worker runs.
 */
function makeSorter(centers, radii) {
  const n = radii.length, DIGIT = 11, BUCKETS = 1 << DIGIT, PIECE = 1 << 14;
  const depths = new Float32Array(n), keys = new Uint32Array(n);
  const bits = new Uint32Array(depths.buffer);
  const otherKeys = new Uint32Array(n), first = new Uint32Array(n), second = new Uint32Array(n);
  let work = null, order = null;

  function* sorting(s) {
    let m = 0;
    for (let i = 0; i < n; i++) {
      const x = centers[3 * i], y = centers[3 * i + 1], z = centers[3 * i + 2], r = radii[i];
      const depth = s[6] * x + s[7] * y + s[8] * z + s[11];
      if (depth > s[12]) {
        const across = s[0] * x + s[1] * y + s[2] * z + s[9];
        const down = s[3] * x + s[4] * y + s[5] * z + s[10];
        if (
          Math.abs(across) <= s[13] * depth + s[14] * r &&
          Math.abs(down) <= s[15] * depth + s[16] * r
        ) {
          depths[m] = depth;
          first[m++] = i;
        }
      }
      if (i % PIECE === PIECE - 1) yield;
    }
    // Positive floats are ordered as their bits are; the far ones come first.
    for (let j = 0; j < m; j++) keys[j] = ~bits[j];
    let a = keys, b = otherKeys, from = first, to = second;
    for (let shift = 0; shift < 32; shift += DIGIT) {
      const places = new Uint32Array(BUCKETS + 1);
      for (let j = 0; j < m; j++) places[((a[j] >>> shift) & (BUCKETS - 1)) + 1]++;
      for (let k = 0; k < BUCKETS; k++) places[k + 1] += places[k];
      yield;
      for (let j = 0; j < m; j++) {
        const at = places[(a[j] >>> shift) & (BUCKETS - 1)]++;
        b[at] = a[j];
        to[at] = from[j];
        if (j % PIECE === PIECE - 1) yield;
      }
      [a, b, from, to] = [b, a, to, from];
      yield;
    }
    order = from.slice(0, m);
  }

  return {
    start: function (view) {
      work = sorting(view);
      order = null;
    },
    step: function (milliseconds) {
      const until = performance.now() + milliseconds;
      while (work && order === null && performance.now() < until) {
        if (work.next().done) work = null;
      }
      return order;
    },
  };
}

/** What a sorter needs of a view: camera from world, near, and how far aside is in view. */
function sortOf(view, near, margin) {
  const across = Math.max(view.cx, view.width - view.cx) / view.fx;
  const down = Math.max(view.cy, view.height - view.cy) / view.fy;
  return view.rotation.concat(view.translation, [
    near,
    margin * across, Math.sqrt(1 + 1.69 * across * across),
    margin * down, Math.sqrt(1 + 1.69 * down * down),
  ]);
}

/**
 * Sorts beside the page, in a worker where the browser lets it begin one and in slices of time
 * where not. `ask` for a view, `poll` in every frame; the answer to the last question counts.
 */
function makeOrdering(centers, radii, changed) {
  const SLICE = 6; // milliseconds
  let worker = null, own = null, busy = false, ready = null, wanted = null, outdated = false;

  function here() {
    own = own || makeSorter(centers, radii);
    return own;
  }

  function begin() {
    if (busy || wanted === null) return;
    busy = true;
    if (worker) worker.postMessage(wanted);
    else here().start(wanted);
    wanted = null;
  }

  function fallBack() {
    if (worker) worker.terminate();
    worker = null;
    busy = false;
    changed();
  }

  try {
    const code = "const makeSorter = " + makeSorter.toString() + ";\n" +
      "let sorter = null;\n" +
      "onmessage = function (event) {\n" +
      "  if (!sorter) { sorter = makeSorter(event.data[0], event.data[1]); return; }\n" +
      "  sorter.start(event.data);\n" +
      "  const order = sorter.step(Infinity);\n" +
      "  postMessage(order, [order.buffer]);\n" +
      "};";
    const address = URL.createObjectURL(new Blob([code], {type: "text/javascript"}));
    worker = new Worker(address);
    worker.onmessage = function (event) {
      if (!outdated) ready = event.data;
      outdated = false;
      busy = false;
      begin();
      changed();
    };
    worker.onerror = fallBack;
    worker.postMessage([centers, radii]);
  } catch (error) {
    worker = null;
  }

  return {
    ask: function (view) {
      wanted = view;
      begin();
    },
    /** The newest order that is done and was not given yet, or null. */
    poll: function () {
      if (!worker && busy) {
        const order = here().step(SLICE);
        if (order) {
          ready = order;
          busy = false;
          begin();
        }
      }
      const order = ready;
      ready = null;
      return order;
    },
    pending: function () {
      return busy || wanted !== null;
    },
    /** The order of a view, now. */
    now: function (view) {
      wanted = null;
      ready = null;
      here().start(view);
      const order = here().step(Infinity);
      outdated = worker !== null && busy;
      if (!worker) busy = false;
      return order;
    },
    kind: function () {
      return worker ? "worker" : "slices";
    },
  };
}
