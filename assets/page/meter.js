// The meters. Their AudioContext runs while this side is unpaused and at no other time, and opens no speaker.

export class Meters {
  constructor() {
    this.context = null;
  }

  /** Must be called in the handler of a key or click the first time, or browsers leave it suspended. */
  start() {
    this.context ??= makeContext();
    if (this.context.state === "suspended") this.context.resume().catch(() => {});
  }

  stop() {
    this.context?.suspend().catch(() => {});
  }

  /** A meter of `track`: `level()` in dBFS, `close()`. */
  meter(track) {
    const source = new MediaStreamAudioSourceNode(this.context, { mediaStream: new MediaStream([track]) });
    const analyser = new AnalyserNode(this.context, { fftSize: 1024 });
    const samples = new Float32Array(analyser.fftSize);
    source.connect(analyser);
    return {
      level() {
        analyser.getFloatTimeDomainData(samples);
        const energy = samples.reduce((sum, sample) => sum + sample * sample, 0);
        return 10 * Math.log10(energy / samples.length + 1e-10);
      },
      close() {
        source.disconnect();
      },
    };
  }
}

function makeContext() {
  try {
    return new AudioContext({ sinkId: { type: "none" } });
  } catch {
    return new AudioContext();
  }
}
