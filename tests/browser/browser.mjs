// Debian's chromium, which asks nobody for anything by itself.
import { chromium } from "playwright-core";

const QUIET = [
  "--no-sandbox",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-quic",
  "--disable-sync",
  "--no-first-run",
];

/** Drawing in three dimensions without a graphics card. */
export const SOFTWARE_GL = ["--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"];

export const launch = (flags = []) =>
  chromium.launch({ executablePath: "/usr/bin/chromium", args: [...QUIET, ...flags] });
