package store

// SetStage has f called at each step of a write.
func SetStage(s *Store, f func(step string)) { s.stage = f }

// For tests from outside.
var (
	Tail       = tail
	ParseGpgID = parseGpgID
	ChildEnv   = childEnv
	OwnPrefix  = ownPrefix
)
