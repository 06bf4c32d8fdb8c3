package api

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/zoo"
)

// Presign sends who asks for a blob to the place where the store keeps it, with a URL that is good for a while, so that the bytes
// do not pass through this server. Browsers follow it if that place answers with the headers of CORS.
type Presign struct {
	// Origin is scheme, host and port of the URLs; pages are allowed to connect to it.
	Origin string

	by  zoo.Presigner
	ttl time.Duration
}

// presignTTL is how long a URL is good: a slow reader of a shard needs seconds, and the answer that led there is kept for half
// of it.
const presignTTL = 15 * time.Minute

// NewPresign finds out where a store's URLs lead. The error is zoo.ErrUnsupported for a store that has none.
func NewPresign(ctx context.Context, s zoo.Store) (*Presign, error) {
	by, ok := s.(zoo.Presigner)
	if !ok {
		return nil, fmt.Errorf("presigned URLs: %w", zoo.ErrUnsupported)
	}
	origin, err := by.PresignOrigin(ctx)
	if err != nil {
		return nil, err
	}
	return &Presign{Origin: origin, by: by, ttl: presignTTL}, nil
}

func (p *Presign) url(ctx context.Context, d schema.Digest) (string, error) {
	return p.by.PresignBlob(ctx, d, p.ttl)
}

// redirect answers with the place of a blob that is there. The method and the header Range are the same there.
func (p *Presign) redirect(c *gin.Context, d schema.Digest) error {
	u, err := p.url(c.Request.Context(), d)
	if err != nil {
		return err
	}
	c.Header("Cache-Control", "private, max-age="+strconv.Itoa(int((p.ttl/2).Seconds())))
	c.Header("Location", u)
	c.Status(http.StatusTemporaryRedirect)
	c.Writer.WriteHeaderNow()
	return nil
}
