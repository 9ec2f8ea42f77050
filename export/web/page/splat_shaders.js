// Gaussians on the GPU. "Project" runs once a Gaussian, as a pixel of a picture of Gaussians, and
// leaves what is drawn of it; "blend" draws a parallelogram for each, far to near.
//
// A covariance in the picture is [u.u, u.v; u.v, v.v] + blur (EWA splatting, Zwicker et al. 2001),
// and alpha = 2^(l - (F dx + G dy)^2 - (H dy)^2), cut off below 1/255. The corners of the
// parallelogram are (+-r, +-r) in (F dx + G dy, H dy), r^2 = l - log2(1/255): no other is smaller.
//
// Of a Gaussian: place = x, y, z and bytes of colour codes and opacity; shape = quaternion
// (places of 10 bits, that of the largest in 2), codes of scales, number in the palette.

const ROW_OF_GAUSSIANS = 2048;

const WHOLE_PICTURE = `#version 300 es
void main() {
  vec2 corner = vec2(gl_VertexID == 1 ? 3.0 : -1.0, gl_VertexID == 2 ? 3.0 : -1.0);
  gl_Position = vec4(corner, 0.0, 1.0);
}`;

const PROJECT = `#version 300 es
precision highp float;
precision highp int;
precision highp usampler2D;
precision highp sampler2D;
uniform usampler2D places, shapes, order;
uniform sampler2D codebooks, palette;
uniform mat3 rotation;
uniform vec3 translation, position;
uniform vec4 lens;
uniform vec2 size;
uniform float near, depthUnit;
uniform bool antialiased;
uniform int shown;
layout(location = 0) out uvec4 ellipse;
layout(location = 1) out uvec4 paint;

const float LOG2_E = 1.4426950408889634, LEAST = -7.994353436858858, BLUR = 0.3;

mat3 rotationOf(uint packed) {
  vec3 others = vec3(packed & 1023u, (packed >> 10) & 1023u, (packed >> 20) & 1023u);
  others = (others / 1023.0 * 2.0 - 1.0) * 0.7071067811865476;
  float rest = sqrt(max(0.0, 1.0 - dot(others, others)));
  uint largest = packed >> 30;
  vec4 q = largest == 0u ? vec4(rest, others)
    : largest == 1u ? vec4(others.x, rest, others.yz)
    : largest == 2u ? vec4(others.xy, rest, others.z) : vec4(others, rest);
  float w = q.x, x = q.y, y = q.z, z = q.w;
  return mat3(
    1.0 - 2.0 * (y * y + z * z), 2.0 * (x * y + w * z), 2.0 * (x * z - w * y),
    2.0 * (x * y - w * z), 1.0 - 2.0 * (x * x + z * z), 2.0 * (y * z + w * x),
    2.0 * (x * z + w * y), 2.0 * (y * z - w * x), 1.0 - 2.0 * (x * x + y * y));
}

vec3 coefficient(int entry, int k) {
  int at = entry * HARMONICS + k;
  vec3 codes = texelFetch(palette, ivec2(at % PALETTE_ROW, at / PALETTE_ROW), 0).rgb * 255.0 + 0.5;
  return vec3(
    texelFetch(codebooks, ivec2(int(codes.r), 0), 0).b,
    texelFetch(codebooks, ivec2(int(codes.g), 0), 0).b,
    texelFetch(codebooks, ivec2(int(codes.b), 0), 0).b);
}

vec3 harmonics(vec3 d, int entry) {
  vec3 sum = vec3(0.0);
#if HARMONICS > 0
  float x = d.x, y = d.y, z = d.z;
  sum += 0.4886025119029199 * (z * coefficient(entry, 1)
    - y * coefficient(entry, 0) - x * coefficient(entry, 2));
#endif
#if HARMONICS > 3
  float xx = x * x, yy = y * y, zz = z * z;
  sum += 1.0925484305920792 * (x * y * coefficient(entry, 3)
    - y * z * coefficient(entry, 4) - x * z * coefficient(entry, 6));
  sum += 0.31539156525252005 * (2.0 * zz - xx - yy) * coefficient(entry, 5);
  sum += 0.5462742152960396 * (xx - yy) * coefficient(entry, 7);
#endif
#if HARMONICS > 8
  sum -= 0.5900435899266435 * (y * (3.0 * xx - yy) * coefficient(entry, 8)
    + x * (xx - 3.0 * yy) * coefficient(entry, 14));
  sum += 2.890611442640554 * x * y * z * coefficient(entry, 9);
  sum -= 0.4570457994644658 * (4.0 * zz - xx - yy)
    * (y * coefficient(entry, 10) + x * coefficient(entry, 12));
  sum += 0.3731763325901154 * z * (2.0 * zz - 3.0 * xx - 3.0 * yy) * coefficient(entry, 11);
  sum += 1.445305721320277 * z * (xx - yy) * coefficient(entry, 13);
#endif
  return sum;
}

void main() {
  ivec2 rank = ivec2(gl_FragCoord.xy);
  ellipse = uvec4(0u);
  paint = uvec4(0u, floatBitsToUint(-100.0), 0u, 0u);
  if (rank.y * ROW + rank.x >= shown) return;
  uint number = texelFetch(order, rank, 0).r;
  ivec2 texel = ivec2(number % uint(ROW), number / uint(ROW));
  uvec4 place = texelFetch(places, texel, 0), shape = texelFetch(shapes, texel, 0);
  vec3 mean = uintBitsToFloat(place.xyz);
  vec3 seen = rotation * mean + translation;
  float opacity = float(place.w >> 24) / 255.0;
  if (!(seen.z > near) || opacity == 0.0) return;
  vec2 slope = seen.xy / seen.z;
  vec2 margin = 0.15 * size / lens.xy;
  vec2 held = clamp(slope, -lens.zw / lens.xy - margin, (size - lens.zw) / lens.xy + margin);
  mat3 rows = transpose(rotation);
  vec3 across = lens.x / seen.z * (rows[0] - held.x * rows[2]);
  vec3 down = lens.y / seen.z * (rows[1] - held.y * rows[2]);
  uvec3 codes = uvec3(shape.y & 255u, (shape.y >> 8) & 255u, (shape.y >> 16) & 255u);
  vec3 scales = vec3(
    texelFetch(codebooks, ivec2(codes.x, 0), 0).r,
    texelFetch(codebooks, ivec2(codes.y, 0), 0).r,
    texelFetch(codebooks, ivec2(codes.z, 0), 0).r);
  mat3 turn = rotationOf(shape.x);
  vec3 u = scales * (across * turn), v = scales * (down * turn);
  vec3 normal = cross(u, v);
  float before = dot(normal, normal), both = dot(u, u) + dot(v, v);
  float determinant = before + BLUR * (both + BLUR);
  float c01 = dot(u, v), c00 = dot(u, u) + BLUR, c11 = dot(v, v) + BLUR;
  float brightness = log2(opacity);
  if (antialiased) brightness += 0.5 * log2(before / determinant);
  vec2 at = slope * lens.xy + lens.zw;
  float reach = 2.0 / LOG2_E * (brightness - LEAST);
  vec2 halves = sqrt(max(vec2(0.0), reach * vec2(c00, c11)));
  if (!(reach >= 0.0 && determinant > 0.0 && both < 1e30)) return;
  if (any(lessThan(at + halves, vec2(0.0))) || any(greaterThan(at - halves, size))) return;
  float f = sqrt(0.5 * LOG2_E * c11 / determinant);
  float g = -c01 / c11 * f, h = sqrt(0.5 * LOG2_E / c11);
  vec3 color = 0.5 + vec3(
    texelFetch(codebooks, ivec2(place.w & 255u, 0), 0).g,
    texelFetch(codebooks, ivec2((place.w >> 8) & 255u, 0), 0).g,
    texelFetch(codebooks, ivec2((place.w >> 16) & 255u, 0), 0).g);
  color = max(color + harmonics(normalize(mean - position), int(shape.z)), 0.0);
  ellipse = floatBitsToUint(vec4(at, f, g));
  paint = uvec4(floatBitsToUint(h), floatBitsToUint(brightness),
    packHalf2x16(min(color.rg, 60000.0)),
    packHalf2x16(vec2(min(color.b, 60000.0), min(seen.z / depthUnit, 60000.0))));
}`;

const BLEND_CORNERS = `#version 300 es
precision highp float;
precision highp int;
precision highp usampler2D;
uniform usampler2D ellipses, paints;
uniform vec2 size;
uniform bool drawDepth;
out vec2 across;
flat out float brightness;
flat out vec3 color;

const float LEAST = -7.994353436858858;

void main() {
  gl_Position = vec4(2.0, 2.0, 2.0, 1.0);
  int rank = gl_VertexID / 3, corner = gl_VertexID % 3;
  ivec2 texel = ivec2(rank % ROW, rank / ROW);
  uvec4 paint = texelFetch(paints, texel, 0);
  brightness = uintBitsToFloat(paint.y);
  if (brightness < LEAST) return;
  vec4 ellipse = uintBitsToFloat(texelFetch(ellipses, texel, 0));
  vec2 of = corner == 0 ? vec2(0.0, -2.0) : vec2(corner == 1 ? 1.7320508 : -1.7320508, 1.0);
  across = of * sqrt(brightness - LEAST);
  float dy = across.y / uintBitsToFloat(paint.x);
  float dx = (across.x - ellipse.w * dy) / ellipse.z;
  vec2 blueAndDepth = unpackHalf2x16(paint.w);
  color = drawDepth ? vec3(blueAndDepth.y) : vec3(unpackHalf2x16(paint.z), blueAndDepth.x);
  vec2 at = (ellipse.xy + vec2(dx, dy)) / size * 2.0 - 1.0;
  gl_Position = vec4(at.x, -at.y, 0.0, 1.0);
}`;

const BLEND = `#version 300 es
precision highp float;
in vec2 across;
flat in float brightness;
flat in vec3 color;
out vec4 result;

void main() {
  float power = brightness - dot(across, across);
  if (power < -7.994353436858858) discard;
  float alpha = min(0.999, exp2(power));
  result = vec4(alpha * color, alpha);
}`;
