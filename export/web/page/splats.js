// A scene of Gaussians: from the parts of the page to textures, and a picture of them.

const REACH = 3.34; // standard deviations at which the most opaque falls below 1/255
const MARGIN = 1.4; // by which what is sorted is wider than the picture, for what comes into view

/** Radii [n], and the texture of shapes' words [4 n]. */
function shapesOf(n, rows, parts) {
  const words = new Uint32Array(4 * ROW_OF_GAUSSIANS * rows), radii = new Float32Array(n);
  const codes = parts.scales, stds = parts.scale_codes, labels = parts.labels;
  for (let i = 0; i < n; i++) {
    const a = codes[i], b = codes[n + i], c = codes[2 * n + i];
    radii[i] = REACH * Math.max(stds[a], stds[b], stds[c]);
    words[4 * i] = parts.quats[i];
    words[4 * i + 1] = a | (b << 8) | (c << 16);
    words[4 * i + 2] = labels ? labels[i] : 0;
  }
  return {words: words, radii: radii};
}

function placesOf(n, rows, centers, parts) {
  const floats = new Float32Array(4 * ROW_OF_GAUSSIANS * rows);
  const words = new Uint32Array(floats.buffer), colors = parts.colors;
  for (let i = 0; i < n; i++) {
    for (let axis = 0; axis < 3; axis++) floats[4 * i + axis] = centers[3 * i + axis];
    words[4 * i + 3] = colors[i] | (colors[n + i] << 8) | (colors[2 * n + i] << 16) |
      (parts.opacities[i] << 24);
  }
  return words;
}

function codebooksOf(parts) {
  const books = new Float32Array(4 * 256);
  ["scale_codes", "color_codes", "harmonic_codes"].forEach(function (name, column) {
    const book = parts[name] || [];
    for (let i = 0; i < book.length; i++) books[4 * i + column] = book[i];
  });
  return books;
}

function makeSplats(gl, scene, parts, changed) {
  const n = scene.count, rows = Math.ceil(n / ROW_OF_GAUSSIANS), row = ROW_OF_GAUSSIANS;
  if (rows > gl.getParameter(gl.MAX_TEXTURE_SIZE)) {
    throw new Error("This graphics card holds no more than " +
      row * gl.getParameter(gl.MAX_TEXTURE_SIZE) + " Gaussians.");
  }
  const centers = centersOf(parts.centers, parts.ranges, scene.chunk);
  const shapes = shapesOf(n, rows, parts);
  const words = [gl.RGBA32UI, gl.RGBA_INTEGER, gl.UNSIGNED_INT, row, rows];
  const textures = {
    places: texels(gl, ...words, placesOf(n, rows, centers, parts)),
    shapes: texels(gl, ...words, shapes.words),
    codebooks: texels(gl, gl.RGBA32F, gl.RGBA, gl.FLOAT, 256, 1, codebooksOf(parts)),
    palette: paletteOf(),
    order: texels(gl, gl.R32UI, gl.RED_INTEGER, gl.UNSIGNED_INT, row, rows, null),
  };
  const projected = [texels(gl, ...words, null), texels(gl, ...words, null)];
  const framebuffer = framebufferOf(gl, projected);
  const project = compiled(gl, WHOLE_PICTURE, PROJECT
    .replace(/PALETTE_ROW/g, String(scene.palette_row)).replace(/ROW/g, String(row))
   .replace(/HARMONICS/g, scene.harmonics));
  const blend = compiled(gl, BLEND_CORNERS.replace(/ROW/g, String(row)), BLEND);
  const nothing = gl.createVertexArray();
  const ordering = makeOrdering(centers, shapes.radii, changed);
  let shown = 0, asked = "";

  function paletteOf() {
    const width = scene.palette_row, entries = scene.harmonics ? scene.palette : 0;
    const height = Math.max(1, Math.ceil((entries * scene.harmonics) / width));
    const bytes = new Uint8Array(3 * width * height);
    if (entries) bytes.set(parts.palette);
    return texels(gl, gl.RGB8, gl.RGB, gl.UNSIGNED_BYTE, width, height, bytes);
  }

  function take(numbers) {
    const full = Math.floor(numbers.length / row), rest = numbers.length % row;
    gl.bindTexture(gl.TEXTURE_2D, textures.order);
    [[0, full, row], [full, rest ? 1 : 0, rest]].forEach(function (part) {
      const [first, height, width] = part;
      if (height) {
        gl.texSubImage2D(gl.TEXTURE_2D, 0, 0, first, width, height, gl.RED_INTEGER,
          gl.UNSIGNED_INT, numbers, first * row);
      }
    });
    shown = numbers.length;
  }

  function projectAll(view) {
    gl.bindVertexArray(nothing);
    gl.bindFramebuffer(gl.FRAMEBUFFER, framebuffer);
    gl.viewport(0, 0, row, Math.ceil(shown / row));
    gl.disable(gl.BLEND);
    gl.disable(gl.DEPTH_TEST);
    gl.useProgram(project.program);
    bindTextures(gl, project, textures);
    const at = project.uniforms;
    gl.uniformMatrix3fv(at.rotation, true, view.rotation);
    gl.uniform3fv(at.translation, view.translation);
    gl.uniform3fv(at.position, view.position);
    gl.uniform4f(at.lens, view.fx, view.fy, view.cx, view.cy);
    gl.uniform2f(at.size, view.width, view.height);
    gl.uniform1f(at.near, scene.near);
    gl.uniform1f(at.depthUnit, scene.radius);
    gl.uniform1i(at.shown, shown);
    gl.uniform1i(at.antialiased, scene.antialiased ? 1 : 0);
    gl.drawArrays(gl.TRIANGLES, 0, 3);
  }

  function blendAll(view, depth) {
    gl.bindVertexArray(nothing);
    gl.enable(gl.BLEND);
    gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
    gl.useProgram(blend.program);
    bindTextures(gl, blend, {ellipses: projected[0], paints: projected[1]});
    gl.uniform2f(blend.uniforms.size, view.width, view.height);
    gl.uniform1i(blend.uniforms.drawDepth, depth ? 1 : 0);
    gl.drawArrays(gl.TRIANGLES, 0, 3 * shown);
  }

  return {
    edges: false,
    /** Ask for the order of a view; true when that of the picture is the one asked for last. */
    prepare: function (view) {
      const sort = sortOf(view, scene.near, MARGIN);
      const question = sort.join();
      if (question !== asked) ordering.ask(sort);
      asked = question;
      const numbers = ordering.poll();
      if (numbers) take(numbers);
      return !ordering.pending();
    },
    prepareNow: function (view) {
      const sort = sortOf(view, scene.near, MARGIN);
      asked = sort.join();
      take(ordering.now(sort));
    },
    draw: function (view, begin) {
      projectAll(view);
      begin();
      blendAll(view, false);
    },
    /** Distance along the optical axis of what is in a pixel, or null. */
    depthAt: function (view, x, y) {
      projectAll(view);
      const pixel = onePixel(gl, view.width, view.height, x, view.height - 1 - y, function () {
        blendAll(view, true);
      });
      return pixel[3] > 0.3 ? (pixel[0] / pixel[3]) * scene.radius : null;
    },
    stats: function () {
      return {drawn: shown, sorting: ordering.kind()};
    },
  };
}
