package artifacts

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
)

// PutJSON stores v as indented JSON, durably.
func PutJSON(ctx context.Context, s Store, key string, v any) error {
	o, err := jsonObject(key, v)
	if err == nil {
		_, err = s.Put(ctx, o)
	}
	return err
}

// CreateJSON is PutJSON for a key without an object. If there is one, the error is fs.ErrExist; after a lost response,
// that can be the object of this call.
func CreateJSON(ctx context.Context, s Swapper, key string, v any) error {
	o, err := jsonObject(key, v)
	if err == nil {
		_, err = s.Swap(ctx, o, "")
	}
	return err
}

func jsonObject(key string, v any) (Object, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", " ")
	if err := e.Encode(v); err != nil {
		return Object{}, fmt.Errorf("encode %s: %w", key, err)
	}
	return Object{
		Key: key, Body: bytes.NewReader(b.Bytes()), Size: int64(b.Len()), Type: "application/json", CacheControl: "no-cache",
	}, nil
}

// GetJSON decodes into v what PutJSON stored. The error is fs.ErrNotExist if there is no object, and a *CorruptError
// if it is not JSON of v's type.
func GetJSON(ctx context.Context, s Store, key string, v any) error {
	r, err := s.Get(ctx, key)
	if err != nil {
		return err
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(b, v); err != nil {
		return &CorruptError{key, "a JSON record", err.Error()}
	}
	return nil
}
