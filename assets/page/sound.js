// The page's one AudioContext: silence to send while paused in a call, and the meters. It runs only when needed, and
// opens no speaker.

export class Sound {
  constructor() {
    this.context = null;
    this.silence = null;
  }

  /** Must be called in the handler of a key or click the first time, or browsers leave it suspended. */
  start() {
    this.context ??= makeContext();
    if (this.context.state === "suspended") this.context.resume().catch(() => {});
  }

  stop() {
    this.context?.suspend().catch(() => {});
  }

  /** A track of silence; null before the first `start`. */
  silentTrack() {
    if (this.context === null) return null;
    if (this.silence === null) {
      const destination = new MediaStreamAudioDestinationNode(this.context, { channelCount: 1 });
      const source = new ConstantSourceNode(this.context, { offset: 0 });
      source.connect(destination);
      source.start();
      [this.silence] = destination.stream.getAudioTracks();
    }
    return this.silence;
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
    return new AudioContext({ sampleRate: 48000, sinkId: { type: "none" } });
  } catch {
    return new AudioContext();
  }
}
