// Package redact takes secrets out of text that people and logs will see.
//
// There are two kinds. What has the form of a secret is found without knowing
// it: 64 hexadecimal digits, and whatever in a URL is more than its host, as
// providers of L1 put their keys into user info, paths and queries. And there
// are words that are known to be secrets of an instance, for text in which 64
// digits are mostly hashes: the journal of a node.
package redact

import (
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// privateKey is what could be one, digests apart: people mistype flags, and
// parsers repeat what they were given. Digests have the algorithm before them,
// or are the names of lists in the version store.
var privateKey = regexp.MustCompile(`(sha256-[0-9a-f]{64}/layers/|sha256[:/-])?(0x)?[0-9a-fA-F]{64,}`)

// Keys replaces what could be a private key.
func Keys(text string) string {
	return privateKey.ReplaceAllStringFunc(text, func(match string) string {
		if strings.HasPrefix(match, "sha256") {
			return match
		}
		return "(64 digits not shown)"
	})
}

// anyURL ends where a URL in a sentence, in quotes, in a list or in JSON does.
var anyURL = regexp.MustCompile(`(?i)\b([a-z][a-z0-9+.-]*)://[^\s"'<>` + "`" + `\\]+`)

// registryPath is the API of OCI registries, whose URLs say what was missing.
// They keep their secrets in headers.
var registryPath = regexp.MustCompile(`^/v2/(|[a-z0-9._/-]+/(manifests|blobs|tags)/[A-Za-z0-9._:/-]*)$`)

// omitted stands for the rest of a URL.
const omitted = "..."

// URLs replaces user info, path and query of all URLs in a text.
func URLs(text string) string {
	return anyURL.ReplaceAllStringFunc(text, func(match string) string {
		end := strings.TrimRight(match, ".,;:)]}")
		after := match[len(end):]
		scheme, rest, _ := strings.Cut(end, "://")
		host, tail := rest, ""
		if i := strings.IndexAny(rest, "/?#"); i >= 0 {
			host, tail = rest[:i], rest[i:]
		}
		if registryPath.MatchString(tail) && !strings.Contains(host, "@") {
			return match
		}
		if at := strings.LastIndexByte(host, '@'); at >= 0 {
			host = omitted + host[at:]
		}
		if strings.Contains(tail, "@") {
			host = omitted // user info with a slash in it
		}
		if tail != "" && tail != "/" {
			tail = "/" + omitted
		}
		return scheme + "://" + host + tail + after
	})
}

// Text does what Keys and URLs do.
func Text(text string) string { return URLs(Keys(text)) }

// shortest word that is a secret. Shorter ones are parts of paths like v2 and
// eth, and would spoil what is no secret.
const shortest = 8

// URLWords returns what of a URL is secret: its user info, and the parts of
// its path and query, as they are and decoded. It takes any text.
func URLWords(s string) []string {
	_, rest, ok := strings.Cut(s, "://")
	if !ok {
		return nil
	}
	var words []string
	add := func(word string) {
		for _, w := range []string{word, decoded(word)} {
			if len(w) >= shortest && !slices.Contains(words, w) {
				words = append(words, w)
			}
		}
	}
	host := rest
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		host = rest[:i]
		for part := range strings.FieldsFuncSeq(rest[i:], func(r rune) bool { return strings.ContainsRune("/?#&=", r) }) {
			add(part)
		}
	}
	if at := strings.LastIndexByte(host, '@'); at >= 0 {
		user, password, both := strings.Cut(host[:at], ":")
		if both {
			add(password)
		} else {
			add(user)
		}
		add(host[:at])
	}
	return words
}

func decoded(s string) string {
	if d, err := url.PathUnescape(s); err == nil {
		return d
	}
	return s
}

// Words are known secrets.
type Words struct{ replacer *strings.Replacer }

// NewWords makes Words. Empty ones are left out.
func NewWords(words []string) Words {
	// The longest first: a word may be part of another.
	words = slices.Clone(words)
	slices.SortFunc(words, func(a, b string) int { return len(b) - len(a) })
	var pairs []string
	for _, w := range words {
		if w != "" {
			pairs = append(pairs, w, omitted)
		}
	}
	return Words{strings.NewReplacer(pairs...)}
}

// Text replaces the words in a text.
func (w Words) Text(text string) string { return w.replacer.Replace(text) }
