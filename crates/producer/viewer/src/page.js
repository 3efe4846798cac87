// What both viewers share: what the page asks for, and what it lets a program do with the viewer.
//
// The element #viewer says by its data attributes:
//   config       address of the viewer's manifest; the paths in it begin at its folder
//   yaw, pitch   where to look, degrees; right and up are positive; absent: as the manifest says
//   hfov         horizontal field of view, degrees; absent: as the manifest says
//   embed        present: no controls
//
// window.panofleet is { ready, error, viewer, lookAt(yaw, pitch, hfov), settled() }. lookAt is exact and at
// once; settled() resolves when every tile of the present view is there and drawn.

const FRAMES_QUIET = 10;

/** What the page asks for. */
export function request() {
  const element = document.getElementById("viewer");
  const number = (text) => (text === undefined ? undefined : Number(text));
  const { config, yaw, pitch, hfov, embed } = element.dataset;
  return {
    element,
    config: new URL(config, document.baseURI),
    folder: new URL(".", new URL(config, document.baseURI)).href,
    yaw: number(yaw),
    pitch: number(pitch),
    hfov: number(hfov),
    embed: embed !== undefined,
  };
}

export async function manifest(url) {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url.pathname}: ${response.status} ${response.statusText}`);
  return response.json();
}

/**
 * Starts a viewer: `start(request)` resolves to { viewer, lookAt, isLoading } once it shows something.
 */
export async function open(start) {
  const page = { ready: false, error: null, viewer: null, lookAt: null, settled: null };
  window.panofleet = page;
  const root = document.documentElement;
  try {
    const asked = request();
    const { viewer, lookAt, isLoading } = await start(asked);
    Object.assign(page, { viewer, lookAt, settled: () => settled(isLoading) });
    await page.settled();
    page.ready = true;
    root.dataset.viewer = "ready";
  } catch (error) {
    page.error = String(error?.message ?? error);
    root.dataset.viewer = "failed";
    const note = document.getElementById("viewer-error");
    note.textContent = `The viewer could not open the picture: ${page.error}`;
    note.hidden = false;
  }
}

/** Resolves after some frames in a row in which nothing was loading. */
function settled(isLoading) {
  return new Promise((resolve) => {
    let quiet = 0;
    const look = () => {
      quiet = isLoading() ? 0 : quiet + 1;
      if (quiet < FRAMES_QUIET) requestAnimationFrame(look);
      else resolve();
    };
    requestAnimationFrame(look);
  });
}
