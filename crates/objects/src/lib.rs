//! S3 client, manifest commit and the embedded S3 server
