// What the page carries: JSON, and gzipped bytes in base64 that are cut into named parts.

/** The bytes of a text in base64. */
function bytesOf(text) {
  const coded = atob(text);
  const bytes = new Uint8Array(coded.length);
  for (let i = 0; i < coded.length; i++) bytes[i] = coded.charCodeAt(i);
  return bytes;
}

function unzipped(bytes) {
  if (typeof DecompressionStream === "undefined") {
    return Promise.reject(new Error("This browser is too old: it has no DecompressionStream."));
  }
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).arrayBuffer();
}

/**
 * The parts by name. A number of two or four bytes lies in as many planes: first the low bytes of
 * all numbers, so that what is alike stands together.
 */
function partsOf(buffer, table) {
  const bytes = new Uint8Array(buffer), parts = {};
  let at = 0;
  table.forEach(function (part) {
    const count = part.count, width = part.bytes;
    if (part.type === "plain") {
      parts[part.name] = bytes.subarray(at, at + count * width);
    } else if (part.type === "float") {
      parts[part.name] = new Float32Array(bytes.slice(at, at + count * width).buffer);
    } else {
      const numbers = width === 2 ? new Uint16Array(count) : new Uint32Array(count);
      for (let plane = 0; plane < width; plane++) {
        const from = at + plane * count, shift = 8 * plane;
        for (let i = 0; i < count; i++) numbers[i] |= bytes[from + i] << shift;
      }
      parts[part.name] = numbers;
    }
    at += count * width;
  });
  if (at !== bytes.length) throw new Error("The data of this page is damaged.");
  return parts;
}

/** Whole numbers from the differences to the one before, the sign in the lowest bit. */
function summed(differences) {
  const numbers = new Uint32Array(differences.length);
  let last = 0;
  for (let i = 0; i < differences.length; i++) {
    const d = differences[i];
    last += d & 1 ? -((d + 1) / 2) : d / 2;
    numbers[i] = last;
  }
  return numbers;
}

/** Centres [3 n]: 16 bits an axis between the ends of the chunk that a Gaussian is in. */
function centersOf(steps, ranges, chunk) {
  const n = steps.length / 3, centers = new Float32Array(3 * n);
  for (let i = 0; i < n; i++) {
    const of = 6 * Math.floor(i / chunk);
    for (let axis = 0; axis < 3; axis++) {
      const low = ranges[of + axis], span = ranges[of + 3 + axis];
      centers[3 * i + axis] = low + (span * steps[axis * n + i]) / 65535;
    }
  }
  return centers;
}
