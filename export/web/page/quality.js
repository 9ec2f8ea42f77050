// How many pixels are drawn: fewer while the picture moves and the device is slow, all when it
// stands still.

const SLOW = 1000 / 24, FAST = 1000 / 50; // milliseconds a frame
const LEAST_SCALE = 0.5;
const MOST_RATIO = 2; // pixels of the canvas to one of the page: more is not seen
const SETTLED = 160; // milliseconds without movement

function makeQuality() {
  let scale = 1, last = null, times = [], count = 0;

  function meanOf(numbers) {
    return numbers.reduce(function (a, b) { return a + b; }, 0) / numbers.length;
  }

  function adapt() {
    const mean = meanOf(times.slice(-4));
    if (mean > SLOW) scale *= limited(Math.sqrt(SLOW / mean), 0.7, 0.95);
    else if (mean < FAST) scale *= 1.08;
    scale = limited(scale, LEAST_SCALE, 1);
  }

  return {
    /** A frame was drawn because the picture moves. */
    moved: function (now) {
      if (last !== null) {
        times.push(now - last);
        if (times.length > 30) times.shift();
        if (++count % 4 === 0) adapt();
      }
      last = now;
    },
    /** It stands still: how long that takes is no measure. */
    still: function () { last = null; },
    scale: function () { return scale; },
    rate: function () { return times.length ? 1000 / meanOf(times) : null; },
  };
}
