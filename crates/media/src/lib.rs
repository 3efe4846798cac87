//! Image codecs, metadata and FFmpeg probing; runs only in the sandboxed runner
