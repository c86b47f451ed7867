// The microphone and the camera. A device is open from unpause to pause and at no other time.

const MICROPHONE = { echoCancellation: true, noiseSuppression: true, autoGainControl: true };
const CAMERA = { width: { ideal: 640 }, height: { ideal: 480 }, frameRate: { ideal: 30 } };

/** How long a device is kept for whatever takes its place, in milliseconds. */
const RELEASE_LIMIT = 250;

export class Capture {
  /**
   * `changed(kind, track)` hears of every track that comes, and of null when it goes: it may return a promise, and the
   * device is open until that is settled. `failed(kind, error)` hears of what does not open.
   */
  constructor({ changed, failed }) {
    this.on = { changed, failed };
    this.tracks = { audio: null, video: null };
    this.isOpen = false;
    this.muted = false;
    this.camera = true;
    /** Asked ahead, since asking takes a while and unpausing should not. */
    this.allowed = isAllowed();
    /** Counts the openings, so that a device that comes too late is let go at once. */
    this.turn = 0;
  }

  open() {
    this.isOpen = true;
    return this.fill(++this.turn);
  }

  close() {
    this.isOpen = false;
    this.turn++;
    this.release("audio");
    this.release("video");
  }

  setMuted(muted) {
    this.muted = muted;
    if (this.tracks.audio) this.tracks.audio.enabled = !muted;
  }

  setCamera(camera) {
    this.camera = camera;
    if (!this.isOpen) return;
    if (camera) this.fill(this.turn);
    else this.release("video");
  }

  /** Opens again what is missing: a device that was pulled out may be back. */
  refill() {
    if (this.isOpen) this.fill(this.turn);
  }

  /** Opens what is wanted and not there. */
  async fill(turn) {
    const wanted = { audio: !this.tracks.audio, video: this.camera && !this.tracks.video };
    if (wanted.audio && wanted.video && !(await this.allowed)) return this.ask(turn, wanted);
    // The microphone goes first and alone, so that the camera, which is slow to open, does not keep it.
    if (wanted.audio) await this.ask(turn, { audio: true, video: false });
    if (wanted.video && this.camera) await this.ask(turn, { audio: false, video: true });
  }

  async ask(turn, { audio, video }) {
    try {
      const constraints = { audio: audio && MICROPHONE, video: video && CAMERA };
      this.take(turn, await navigator.mediaDevices.getUserMedia(constraints));
    } catch (error) {
      if (turn !== this.turn) return;
      if (audio && video) {
        await this.ask(turn, { audio: true, video: false });
        if (this.tracks.audio) await this.ask(turn, { audio: false, video: true });
      } else if (audio || this.tracks.audio) {
        // Without a microphone there is that to be said first.
        this.on.failed(audio ? "audio" : "video", error);
      }
    } finally {
      this.allowed = isAllowed();
    }
  }

  take(turn, stream) {
    for (const track of stream.getTracks()) {
      const unwanted = turn !== this.turn || this.tracks[track.kind] || (track.kind === "video" && !this.camera);
      if (unwanted) {
        track.stop();
        continue;
      }
      if (track.kind === "audio") track.enabled = !this.muted;
      track.onended = () => this.lost(track);
      this.tracks[track.kind] = track;
      this.on.changed(track.kind, track);
    }
  }

  lost(track) {
    if (this.tracks[track.kind] !== track) return;
    this.tracks[track.kind] = null;
    this.on.changed(track.kind, null);
    this.on.failed(track.kind, new DOMException("", "DeviceLost"));
  }

  release(kind) {
    const track = this.tracks[kind];
    if (!track) return;
    this.tracks[kind] = null;
    // Silent at once; let go when something else is sent in its place, so that the far side hears no gap in time.
    track.enabled = false;
    const replaced = Promise.resolve(this.on.changed(kind, null));
    Promise.race([replaced, new Promise((late) => setTimeout(late, RELEASE_LIMIT))]).finally(() => track.stop());
  }
}

/** Whether both devices open without asking the person; where it cannot be known, one question is asked for both. */
async function isAllowed() {
  try {
    const names = ["microphone", "camera"];
    const states = await Promise.all(names.map((name) => navigator.permissions.query({ name })));
    return states.every(({ state }) => state === "granted");
  } catch {
    return false;
  }
}
