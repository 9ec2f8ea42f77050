// Where pictures are drawn before they are shown: as large as the canvas or smaller. Of many faint
// layers 8 bits lose something; what stands still has more, where the browser can.

const SHOW = `#version 300 es
precision highp float;
uniform sampler2D picture;
uniform vec2 scale, limit;
uniform vec3 background;
out vec4 shown;

void main() {
  vec2 at = gl_FragCoord.xy * scale - 0.5;
  vec2 low = floor(at), share = at - low;
  ivec2 most = ivec2(limit) - 1;
  ivec2 a = clamp(ivec2(low), ivec2(0), most), b = clamp(ivec2(low) + 1, ivec2(0), most);
  vec4 upper = mix(texelFetch(picture, a, 0), texelFetch(picture, ivec2(b.x, a.y), 0), share.x);
  vec4 lower = mix(texelFetch(picture, ivec2(a.x, b.y), 0), texelFetch(picture, b, 0), share.x);
  vec4 color = mix(upper, lower, share.y);
  shown = vec4(color.rgb + (1.0 - color.a) * background, 1.0);
}`;

const SAMPLES = 4; // a pixel, where there are edges

function makeSurface(gl, background, edges) {
  const deep = gl.getExtension("EXT_color_buffer_float") !== null ||
    gl.getExtension("EXT_color_buffer_half_float") !== null;
  const show = compiled(gl, WHOLE_PICTURE, SHOW);
  let width = 0, height = 0, coarse = null, fine = null, sampled = null, buffers = [], now = null;

  function pictureOf(internal, type) {
    const texture = texels(gl, internal, gl.RGBA, type, width, height, null);
    return {texture: texture, target: framebufferOf(gl, [texture])};
  }

  function drop() {
    [coarse, fine].forEach(function (each) {
      if (!each) return;
      gl.deleteTexture(each.texture);
      gl.deleteFramebuffer(each.target);
    });
    if (sampled) gl.deleteFramebuffer(sampled);
    buffers.forEach(function (each) { gl.deleteRenderbuffer(each); });
    buffers = [];
  }

  function attached(attachment, format) {
    const buffer = gl.createRenderbuffer();
    gl.bindRenderbuffer(gl.RENDERBUFFER, buffer);
    const samples = Math.min(SAMPLES, gl.getParameter(gl.MAX_SAMPLES));
    gl.renderbufferStorageMultisample(gl.RENDERBUFFER, samples, format, width, height);
    gl.framebufferRenderbuffer(gl.FRAMEBUFFER, attachment, gl.RENDERBUFFER, buffer);
    buffers.push(buffer);
  }

  function resize(newWidth, newHeight) {
    if (newWidth === width && newHeight === height) return;
    drop();
    width = newWidth;
    height = newHeight;
    coarse = pictureOf(gl.RGBA8, gl.UNSIGNED_BYTE);
    fine = deep && !edges ? pictureOf(gl.RGBA16F, gl.HALF_FLOAT) : null;
    if (edges) {
      sampled = gl.createFramebuffer();
      gl.bindFramebuffer(gl.FRAMEBUFFER, sampled);
      attached(gl.COLOR_ATTACHMENT0, gl.RGBA8);
      attached(gl.DEPTH_ATTACHMENT, gl.DEPTH_COMPONENT24);
    }
  }

  return {
    resize: resize,
    /** Begin a picture in the lower left corner, cleared. */
    begin: function (w, h, finely) {
      now = finely && fine ? fine : coarse;
      gl.bindFramebuffer(gl.FRAMEBUFFER, sampled || now.target);
      gl.viewport(0, 0, w, h);
      gl.clearColor(0, 0, 0, 0);
      gl.clear(edges ? gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT : gl.COLOR_BUFFER_BIT);
    },
    /** Show it on the whole canvas. */
    end: function (w, h) {
      if (sampled) {
        gl.bindFramebuffer(gl.READ_FRAMEBUFFER, sampled);
        gl.bindFramebuffer(gl.DRAW_FRAMEBUFFER, now.target);
        gl.blitFramebuffer(0, 0, w, h, 0, 0, w, h, gl.COLOR_BUFFER_BIT, gl.NEAREST);
      }
      gl.bindFramebuffer(gl.FRAMEBUFFER, null);
      gl.viewport(0, 0, gl.drawingBufferWidth, gl.drawingBufferHeight);
      gl.disable(gl.BLEND);
      gl.disable(gl.DEPTH_TEST);
      gl.useProgram(show.program);
      bindTextures(gl, show, {picture: now.texture});
      const full = [gl.drawingBufferWidth, gl.drawingBufferHeight];
      gl.uniform2f(show.uniforms.scale, w / full[0], h / full[1]);
      gl.uniform2f(show.uniforms.limit, w, h);
      gl.uniform3fv(show.uniforms.background, background);
      gl.drawArrays(gl.TRIANGLES, 0, 3);
    },
    deep: deep && !edges,
  };
}

/** Draw a single pixel with `draw` and read it: red, green, blue, alpha, as floats. */
function onePixel(gl, width, height, x, y, draw) {
  const floats = gl.getExtension("EXT_color_buffer_float") !== null;
  const texture = floats
    ? texels(gl, gl.RGBA16F, gl.RGBA, gl.HALF_FLOAT, width, height, null)
    : texels(gl, gl.RGBA8, gl.RGBA, gl.UNSIGNED_BYTE, width, height, null);
  const framebuffer = framebufferOf(gl, [texture]);
  const depth = gl.createRenderbuffer();
  gl.bindRenderbuffer(gl.RENDERBUFFER, depth);
  gl.renderbufferStorage(gl.RENDERBUFFER, gl.DEPTH_COMPONENT24, width, height);
  gl.framebufferRenderbuffer(gl.FRAMEBUFFER, gl.DEPTH_ATTACHMENT, gl.RENDERBUFFER, depth);
  gl.viewport(0, 0, width, height);
  gl.enable(gl.SCISSOR_TEST);
  gl.scissor(x, y, 1, 1);
  gl.clearColor(0, 0, 0, 0);
  gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
  draw();
  gl.disable(gl.SCISSOR_TEST);
  const pixel = floats ? new Float32Array(4) : new Uint8Array(4);
  gl.bindFramebuffer(gl.FRAMEBUFFER, framebuffer);
  gl.readPixels(x, y, 1, 1, gl.RGBA, floats ? gl.FLOAT : gl.UNSIGNED_BYTE, pixel);
  gl.deleteFramebuffer(framebuffer);
  gl.deleteRenderbuffer(depth);
  gl.deleteTexture(texture);
  return Array.from(pixel).map(function (value) { return floats ? value : value / 255; });
}
