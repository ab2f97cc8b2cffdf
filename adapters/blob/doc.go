// Package blob reads disk images in object stores, by gocloud.dev/blob: S3 and
// what speaks its protocol, Google Cloud Storage, Azure, directories, memory.
//
//	+------+  +-----------------+  +--------+
//	| disk |->| cache (package  |->| Object |--> s3://bucket/dir/disk.qed
//	+------+  | source)         |  +--------+
//	          +-----------------+
//
// It is a module of its own, so that users who need no object store do not
// build the clients.
//
// # Use
//
//	o, err := source.New(&source.Options{Schemes: blob.Schemes()})
//	src, err := o.Open(ctx, "s3://bucket/dir/disk.qed?region=eu-west-1", nil)
//	img, err := images.NewReader(src, &images.Options{Files: src.Files()})
//
// Credentials are found as each store's own tools find them: in the environment,
// in their configuration files, from the machine's role.
//
// # Concurrency and safety
//
// An [Object] is safe for concurrent use. It is read in the version that was
// opened; see [Object]. A backing file comes from beside the image, from the
// same bucket.
package blob
