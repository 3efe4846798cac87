// Plays a folder of HLS in chromium through hls.js, each size for itself.
//
//   node play.mjs FOLDER < wanted.json      wanted: {"seconds": [moments whose frames are looked at]}
//
// Prints, as JSON: for each size its width, what each source buffer holds ([type, [start, end], …] in seconds), the
// frame that is shown at each moment ([its own time, brightness of its middle from 0 to 255]), and whether playing came to
// the end; the first loud moment of the sound, as the browser's own decoder gives it; what went wrong. Exits with 1
// if it does not play.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { inPage } from "./served.mjs";

const [folder] = process.argv.slice(2);
const { seconds } = JSON.parse(readFileSync(0, "utf8"));
const PAGE = '<!doctype html><link rel="icon" href="data:,"><script src="/hls.js/dist/hls.js"></script><video muted></video>';

/** Runs in the page: plays one size from its first frame to its end. */
async function play([level, seconds]) {
  const buffers = [];
  const add = MediaSource.prototype.addSourceBuffer;
  MediaSource.prototype.addSourceBuffer = function (type) {
    const buffer = add.call(this, type);
    buffers.push([type.split(";")[0], buffer]);
    return buffer;
  };
  const video = document.querySelector("video");
  const hls = new Hls({ enableWorker: false, maxBufferLength: 600, startLevel: level });
  const failed = new Promise((_, reject) => {
    hls.on(Hls.Events.ERROR, (_, { type, details, fatal }) => fatal && reject(new Error(`${type}: ${details}`)));
  });
  const event = (target, name) => new Promise((resolve) => target.addEventListener(name, resolve, { once: true }));
  const buffered = new Promise((resolve) => hls.on(Hls.Events.BUFFERED_TO_END, resolve));
  hls.on(Hls.Events.MANIFEST_PARSED, () => (hls.currentLevel = level));
  hls.loadSource("/stream/master.m3u8");
  hls.attachMedia(video);
  await Promise.race([buffered, failed]);
  const ranges = buffers.map(([type, { buffered }]) => [
    type,
    ...Array.from({ length: buffered.length }, (_, index) => [buffered.start(index), buffered.end(index)]),
  ]);
  const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  const frames = [];
  for (const second of seconds) {
    const frame = new Promise((resolve) => video.requestVideoFrameCallback((_, { mediaTime }) => resolve(mediaTime)));
    video.currentTime = second;
    const shownAt = await Promise.race([frame, failed]);
    canvas.drawImage(video, video.videoWidth / 2 - 4, video.videoHeight / 2 - 4, 8, 8, 0, 0, 1, 1);
    frames.push([shownAt, canvas.getImageData(0, 0, 1, 1).data[1]]);
  }
  const width = video.videoWidth;
  video.currentTime = 0;
  const ended = event(video, "ended");
  video.playbackRate = 4;
  await video.play();
  await Promise.race([ended, failed]);
  const at = video.currentTime;
  hls.destroy();
  MediaSource.prototype.addSourceBuffer = add;
  return { width, ranges, frames, ended: at };
}

/** Runs in the page: decodes the sound alone, and finds where it gets loud. */
async function listen() {
  const text = async (path) => (await fetch(path)).text();
  const lines = (await text("/stream/audio/playlist.m3u8")).split("\n").filter((line) => line.endsWith(".m4s"));
  const parts = await Promise.all(
    ["init.mp4", ...lines].map(async (name) => (await fetch(`/stream/audio/${name}`)).arrayBuffer()),
  );
  const sound = await new Blob(parts).arrayBuffer();
  const { sampleRate } = await new OfflineAudioContext(1, 1, 48000).decodeAudioData(sound.slice(0));
  const decoded = await new OfflineAudioContext(1, 1, sampleRate).decodeAudioData(sound);
  const samples = decoded.getChannelData(0);
  const loud = samples.findIndex((value) => Math.abs(value) > 0.25);
  return loud < 0 ? null : loud / decoded.sampleRate;
}

const flags = ["--autoplay-policy=no-user-gesture-required"];
await inPage({ html: PAGE, folder, at: "stream", flags }, async (tab) => {
  const master = readFileSync(join(folder, "master.m3u8"), "utf8");
  const sizes = [];
  for (let level = 0; level < master.match(/#EXT-X-STREAM-INF/g).length; level++) {
    sizes.push(await tab.evaluate(play, [level, seconds]));
  }
  return { sizes, heard: master.includes("TYPE=AUDIO") ? await tab.evaluate(listen) : null };
});
