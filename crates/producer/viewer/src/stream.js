// Streams in the page: each video[data-stream] plays the playlist of HLS whose address that is. Nothing but the
// playlist is fetched before somebody presses play.
import Hls from "hls.js";

for (const video of document.querySelectorAll("video[data-stream]")) {
  if (Hls.isSupported()) {
    // The page allows no scripts but its own files, and a worker would be made of text.
    const hls = new Hls({ autoStartLoad: false, enableWorker: false });
    hls.loadSource(video.dataset.stream);
    hls.attachMedia(video);
    video.addEventListener("play", () => hls.startLoad(), { once: true });
  } else {
    // Safari plays it by itself.
    video.src = video.dataset.stream;
  }
}
