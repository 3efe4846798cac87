//! Films that several operations are tried on.

use std::path::PathBuf;

use crate::footage::{Footage, top_box};

/// A picture whose every frame is another.
pub(crate) const PICTURE: &str = "-f lavfi -i testsrc2=s=320x160:r=30";

/// Three seconds: frame 15 of each 30 flashes, and a click begins with it; frames come out of order (B-frames).
pub(crate) fn clap(footage: &Footage, name: &str, rate_hz: u32, codec: &str) -> PathBuf {
    let arguments = format!(
        "-f lavfi -i color=black:s=128x64:r=30:d=3,geq=lum=if(eq(mod(N\\,30)\\,15)\\,235\\,16):cb=128:cr=128 \
         -f lavfi -i aevalsrc=if(between(mod(t\\,1)\\,0.5\\,0.533)\\,0.8*sin(2*PI*1000*t)\\,0):s={rate_hz}:d=3 \
         -c:v libx264 -bf 3 {codec}"
    );
    footage.make(name, &arguments)
}

/// Two seconds, of whose frames the second half is missing.
pub(crate) fn cut(footage: &Footage) -> PathBuf {
    let film =
        footage.make("film.mp4", &format!("{PICTURE} -t 2 -c:v libx264 -g 10 -movflags faststart"));
    let bytes = std::fs::read(&film).unwrap();
    let samples = top_box(&bytes, b"mdat");
    footage.write("cut.mp4", &bytes[..samples.start + samples.len() / 2])
}
