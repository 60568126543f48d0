// The sound of an offer, made without a file. Browsers allow sound only after somebody has touched the page.
const NOTES = [[880, 0], [1175, 0.18], [880, 0.36]];  // hertz, seconds
const LENGTH = 0.16, VOLUME = 0.5, AGAIN = 3000;  // seconds, of 1, milliseconds
const UNLOCKED_BY = 1000;  // milliseconds within which a browser that allows sound starts it

// `changed` is called whenever the page becomes able to ring, or unable.
export function createBell(changed) {
  const context = "AudioContext" in window ? new AudioContext() : null;
  let timer = 0;
  if (context) context.onstatechange = changed;
  for (const touch of ["pointerdown", "keydown"]) document.addEventListener(touch, unlock, { capture: true });

  const rings = () => context?.state === "running";

  async function unlock() {
    if (context && !rings()) {
      await Promise.race([context.resume(), new Promise((done) => { setTimeout(done, UNLOCKED_BY); })]).catch(() => {});
    }
    return rings();
  }

  function play() {
    if (!rings()) return;
    for (const [pitch, after] of NOTES) {
      const tone = new OscillatorNode(context, { frequency: pitch });
      const volume = new GainNode(context, { gain: VOLUME });
      const from = context.currentTime + after;
      volume.gain.setTargetAtTime(0, from + LENGTH / 2, LENGTH / 4);
      tone.connect(volume).connect(context.destination);
      tone.start(from);
      tone.stop(from + LENGTH);
    }
  }

  // Rings until it is told to stop.
  function ring(on) {
    if (on === !!timer) return;
    clearInterval(timer);
    timer = on ? setInterval(play, AGAIN) : 0;
    if (on) play();
  }

  return { rings, unlock, play, ring };
}
