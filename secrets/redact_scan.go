package secrets

import (
	"bytes"
	"slices"
	"strings"
)

// matcher is an Aho-Corasick automaton over all forms: one pass over the text
// whatever their number. Node 0 is the root.
type matcher struct{ nodes []node }

type node struct {
	next []edge
	// fail is the node of the longest proper suffix that begins a form too.
	fail int32
	// depth is how many of the last bytes could be the beginning of a form.
	depth int
	// longest is the length of the longest form that ends here.
	longest int
}

type edge struct {
	on byte
	to int32
}

func newMatcher(forms map[string]bool) *matcher {
	m := &matcher{nodes: []node{{}}}
	for form := range forms {
		m.insert(form)
	}
	m.link()
	return m
}

func (m *matcher) insert(form string) {
	at := int32(0)
	for i := range len(form) {
		to, ok := m.nodes[at].on(form[i])
		if !ok {
			to = int32(len(m.nodes))
			m.nodes = append(m.nodes, node{depth: i + 1})
			m.nodes[at].next = append(m.nodes[at].next, edge{form[i], to})
		}
		at = to
	}
	m.nodes[at].longest = len(form)
}

func (n *node) on(b byte) (int32, bool) {
	for _, e := range n.next {
		if e.on == b {
			return e.to, true
		}
	}
	return 0, false
}

// link sets fail from the root outwards, so that a node's is known before its
// children need it.
func (m *matcher) link() {
	queue := []int32{0}
	for len(queue) > 0 {
		at := queue[0]
		queue = queue[1:]
		for _, e := range m.nodes[at].next {
			if at != 0 {
				m.nodes[e.to].fail = m.step(m.nodes[at].fail, e.on)
			}
			m.nodes[e.to].longest = max(m.nodes[e.to].longest, m.nodes[m.nodes[e.to].fail].longest)
			queue = append(queue, e.to)
		}
	}
}

// step is the node after b.
func (m *matcher) step(at int32, b byte) int32 {
	for {
		if to, ok := m.nodes[at].on(b); ok {
			return to
		}
		if at == 0 {
			return 0
		}
		at = m.nodes[at].fail
	}
}

// scanner redacts a stream. It hides every byte that belongs to any form, so
// where forms overlap nothing of either is left; choosing the longest first
// would leave the end of one that begins inside another.
type scanner struct {
	matcher *matcher
	at      int32
	// held are the last bytes, at least those that could begin a form; hide says
	// which of them belong to one, and the first sent of them are passed on.
	held []byte
	hide []bool
	sent int
	// inside: the last byte passed on was hidden, and its mark written.
	inside bool
}

// use changes to a newer matcher, which looks again at what is held.
func (s *scanner) use(m *matcher) {
	if s.matcher == m {
		return
	}
	s.matcher, s.at = m, 0
	for i, b := range s.held {
		s.at = m.step(s.at, b)
		s.mark(i + 1)
	}
}

// mark hides the form that ends before position end of held.
func (s *scanner) mark(end int) {
	for i := end - s.matcher.nodes[s.at].longest; i < end; i++ {
		s.hide[i] = true
	}
}

// feed passes on to out what p settles.
func (s *scanner) feed(p []byte, out *bytes.Buffer) {
	for _, b := range p {
		s.at = s.matcher.step(s.at, b)
		s.held, s.hide = append(s.held, b), append(s.hide, false)
		s.mark(len(s.held))
		s.pass(len(s.held)-s.matcher.nodes[s.at].depth, out)
	}
}

// pass passes on the first n bytes held, which it forgets, and the hidden ones
// right after them, whose fate cannot change.
func (s *scanner) pass(n int, out *bytes.Buffer) {
	for ; s.sent < len(s.held) && (s.sent < n || s.hide[s.sent]); s.sent++ {
		hide := s.hide[s.sent]
		if !hide {
			out.WriteByte(s.held[s.sent])
		} else if !s.inside {
			out.WriteString(hidden)
		}
		s.inside = hide
	}
	s.held, s.hide = slices.Delete(s.held, 0, n), slices.Delete(s.hide, 0, n)
	s.sent -= n
}

// flush passes on everything.
func (s *scanner) flush(out *bytes.Buffer) {
	s.pass(len(s.held), out)
	s.at = 0
}

// hideCutOff hides a value whose end never came, as of a child killed while it
// wrote. A few bytes, or no more than a prefix that all keys have, tell
// nothing.
func (s *scanner) hideCutOff() {
	start := len(s.held) - s.matcher.nodes[s.at].depth
	tail := string(s.held[start:])
	public := slices.ContainsFunc(publicPrefixes(), func(p [2]string) bool { return strings.HasPrefix(p[0], tail) })
	if len(tail) < shortestRedacted || public {
		return
	}
	for i := start; i < len(s.held); i++ {
		s.hide[i] = true
	}
}
