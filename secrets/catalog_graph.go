package secrets

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Graph returns the catalog as a Mermaid flowchart: each secret is a box of its
// entries, and an arrow is a copy, labelled with its name at the consumer and
// dotted where it is optional. A consumer that several secrets reach is drawn
// once.
func (c *Catalog) Graph() string {
	g := graph{ids: map[string]string{}, count: map[string]int{}}
	g.line("flowchart LR")
	for _, s := range c.Secrets {
		g.secret(s)
	}
	for _, s := range c.Secrets {
		for _, consumer := range s.Consumers {
			g.consumer(s, consumer)
		}
	}
	return g.nodes.String() + g.arrows.String()
}

type graph struct {
	nodes, arrows strings.Builder
	// ids has the node of everything drawn. Mermaid's ids are plain words;
	// names go into labels.
	ids   map[string]string
	count map[string]int
}

func (g *graph) line(format string, args ...any) { fmt.Fprintf(&g.nodes, format+"\n", args...) }

func (g *graph) arrow(format string, args ...any) { fmt.Fprintf(&g.arrows, "  "+format+"\n", args...) }

// id returns the node of what, and whether it is new.
func (g *graph) id(prefix, what string) (string, bool) {
	if id, ok := g.ids[what]; ok {
		return id, false
	}
	g.count[prefix]++
	id := fmt.Sprintf("%s%d", prefix, g.count[prefix])
	g.ids[what] = id
	return id, true
}

func (g *graph) secret(s Secret) {
	box, _ := g.id("secret", s.Name)
	g.line("  subgraph %s[%s]", box, graphText(s.Name+": "+s.Title))
	for _, e := range s.Entries {
		entry, _ := g.id("entry", s.Name+"\x00"+e.Name())
		g.line("    %s(%s)", entry, graphText(e.Path))
	}
	g.line("  end")
}

func (g *graph) consumer(s Secret, consumer Consumer) {
	title := consumer.title()
	to, isNew := g.id("consumer", "consumer\x00"+title)
	if isNew {
		g.line("  %s[%s]", to, graphText(title))
	}
	if len(consumer.Values) == 0 {
		box, _ := g.id("secret", s.Name)
		g.arrow("%s --> %s", box, to)
	}
	for _, name := range slices.Sorted(maps.Keys(consumer.Values)) {
		entry, _ := g.id("entry", s.Name+"\x00"+consumer.Values[name])
		line := "-->"
		if slices.Contains(consumer.Optional, name) {
			line = "-.->"
		}
		g.arrow("%s %s|%s| %s", entry, line, graphText(name), to)
	}
}

// title is what a person calls the consumer.
func (c Consumer) title() string {
	switch c.Kind {
	case KindConfig:
		return "stack " + c.Stack
	case KindWorker:
		return "Worker " + c.Worker
	case KindContainer:
		return "container " + c.Container + " of " + c.Namespace
	case KindNamespace:
		return "namespace " + c.Namespace
	case KindActions:
		switch {
		case c.Organization != "":
			return "Actions of " + c.Organization
		case c.Environment != "":
			return "Actions of " + c.Repository + ", " + c.Environment
		}
		return "Actions of " + c.Repository
	case KindBackend:
		return "state backend"
	case KindRegistry:
		return "container registry"
	}
	return strings.ReplaceAll(c.Name, "-", " ")
}

// graphText quotes a label; a quote inside is written as Mermaid's entity.
func graphText(text string) string { return `"` + strings.ReplaceAll(text, `"`, "#quot;") + `"` }
