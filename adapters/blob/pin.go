package blob

import (
	"cloud.google.com/go/storage"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	azblob "github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"gocloud.dev/blob"
)

// A pin asks a store for the version that was opened, in the store's own way.
type pin struct {
	etag       string
	generation int64 // of gs; 0 elsewhere
}

func newPin(attrs *blob.Attributes) pin {
	p := pin{etag: attrs.ETag}
	var gs storage.ObjectAttrs
	if attrs.As(&gs) {
		p.generation = gs.Generation
	}
	return p
}

// before is a BeforeRead of [blob.ReaderOptions].
func (p pin) before(as func(any) bool) error {
	var s3in *s3.GetObjectInput
	var az *azblob.DownloadStreamOptions
	var gs **storage.ObjectHandle
	switch {
	case p.etag != "" && as(&s3in):
		s3in.IfMatch = &p.etag
	case p.etag != "" && as(&az):
		etag := azcore.ETag(p.etag)
		az.AccessConditions = &azblob.AccessConditions{ModifiedAccessConditions: &azblob.ModifiedAccessConditions{IfMatch: &etag}}
	case p.generation != 0 && as(&gs):
		*gs = (*gs).If(storage.Conditions{GenerationMatch: p.generation})
	}
	return nil
}

// differs reports whether an answer says that it is another version: not every
// server of these protocols heeds the condition.
func (p pin) differs(r *blob.Reader) bool {
	var s3out s3.GetObjectOutput
	return p.etag != "" && r.As(&s3out) && s3out.ETag != nil && *s3out.ETag != p.etag
}
