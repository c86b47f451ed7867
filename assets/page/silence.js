// Silence to send in place of the microphone, while this side is paused in a call.
//
// Were nothing sent, RTP time would stand still: the far side's jitter buffer would take a short pause for delay, and
// keep what is said next back by as much. So time must go on, and none of it may be lost when the machine is busy: a
// worker writes what is due. Browsers that cannot take sound from a worker make the silence in an AudioContext.

export class Silence {
  constructor() {
    this.worker = null;
    this.context = null;
    this.made = null;
  }

  /** A track of silence; it is silent in earnest, with time going on, between `start` and `stop`. */
  get track() {
    this.made ??= "MediaStreamTrackGenerator" in window ? this.fromWorker() : this.fromContext();
    return this.made;
  }

  start() {
    this.worker?.postMessage("start");
    this.context?.resume().catch(() => {});
  }

  stop() {
    this.worker?.postMessage("stop");
    this.context?.suspend().catch(() => {});
  }

  fromWorker() {
    const generator = new MediaStreamTrackGenerator({ kind: "audio" });
    this.worker = new Worker("silence-worker.js");
    this.worker.postMessage(generator.writable, [generator.writable]);
    return generator;
  }

  fromContext() {
    this.context = new AudioContext();
    const destination = new MediaStreamAudioDestinationNode(this.context, { channelCount: 1 });
    const source = new ConstantSourceNode(this.context, { offset: 0 });
    source.connect(destination);
    source.start();
    return destination.stream.getAudioTracks()[0];
  }
}
