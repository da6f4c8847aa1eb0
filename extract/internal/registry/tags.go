package registry

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
)

// Bounds on a list of tags. The largest public ones have some ten thousands.
const (
	maxPage  = 8 << 20 // bytes
	maxPages = 1000
	maxTags  = 1_000_000
)

// Tags lists the tags, in the registry's order. What is not a tag by the OCI distribution specification is left out: no
// reference could name it, and a terminal may not like it.
func (r *Repository) Tags(ctx context.Context) (tags []string, err error) {
	err = r.search("the list of tags", 0).do(ctx, func(s *source) error {
		tags, err = s.tags(ctx)
		return err
	})
	if err != nil {
		return nil, err
	}
	return tags, nil
}

// tags reads page after page: OCI distribution specification, "Listing Tags".
func (s *source) tags(ctx context.Context) ([]string, error) {
	var tags []string
	query := "n=1000" // the most that all registries put up with
	for range maxPages {
		page, next, err := s.page(ctx, query)
		if err != nil {
			return nil, err
		}
		for _, t := range page {
			if validTag.MatchString(t) {
				tags = append(tags, t)
			}
		}
		if next == "" || next == query {
			return tags, nil
		}
		if len(tags) > maxTags {
			break
		}
		query = next
	}
	return nil, &failure{host: s.host(), err: fmt.Errorf("%w: its list of tags does not end", ErrRegistry)}
}

func (s *source) page(ctx context.Context, query string) (tags []string, next string, err error) {
	a, err := s.get(ctx, request{path: "tags/list", query: query, accept: "application/json"})
	if err != nil {
		return nil, "", err
	}
	defer a.Body.Close()
	raw, err := readAll(a, maxPage)
	if err != nil {
		return nil, "", err
	}
	var page struct {
		Tags []string `json:"tags"`
	}
	if err := json.Unmarshal(raw, &page); err != nil {
		return nil, "", &failure{host: a.host(), err: fmt.Errorf("%w: its list of tags is not one: %w", ErrRegistry, clean(err))}
	}
	next, err = nextPage(a)
	if err != nil {
		return nil, "", &failure{host: a.host(), err: fmt.Errorf("%w: %w", ErrRegistry, err)}
	}
	return page.Tags, next, nil
}

// nextPage returns the query of the page that the Link header (RFC 8288) names, "" if there is none. Only the query is taken
// from it: the rest is known, and may be wrong behind a proxy.
func nextPage(a *answer) (string, error) {
	for _, header := range a.Header.Values("Link") {
		for link := range strings.SplitSeq(header, ",") {
			target, parameters, _ := strings.Cut(strings.TrimSpace(link), ";")
			if p := strings.ToLower(strings.ReplaceAll(parameters, " ", "")); !strings.Contains(p, `rel="next"`) && !strings.Contains(p, "rel=next") {
				continue
			}
			target = strings.TrimSpace(target)
			u, err := url.Parse(strings.TrimSuffix(strings.TrimPrefix(target, "<"), ">"))
			if err != nil || !strings.HasPrefix(target, "<") || u.RawQuery == "" {
				return "", fmt.Errorf("its list of tags goes on at %s, which is no address", oneLine(target))
			}
			return u.RawQuery, nil
		}
	}
	return "", nil
}
