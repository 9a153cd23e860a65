package stackfile

// sample is a stack file as people have them, with what setting
// stripe-secret-key to CIPHER must make of it. %SALT% and %OLD% stand for a
// real salt line and a value encrypted with it.
type sample struct{ name, before, after string }

// The project is called shop.
func corpus() []sample {
	return []sample{
		{"new key at the end", `encryptionsalt: %SALT%
config:
  aws:region: eu-west-1
  shop:replicas: "3"
`, `encryptionsalt: %SALT%
config:
  aws:region: eu-west-1
  shop:replicas: "3"
  shop:stripe-secret-key:
    secure: CIPHER
`},
		{"in place, between others, with comments", `# Production. Ask before you touch it.
encryptionsalt: %SALT% # made in 2021
config:
  # where
  aws:region:   eu-west-1   # Ireland

  shop:stripe-secret-key:   # rotated by hand
    secure: %OLD%   # 2024-01-02
  # last
  shop:tail: yes
# the end
`, `# Production. Ask before you touch it.
encryptionsalt: %SALT% # made in 2021
config:
  # where
  aws:region:   eu-west-1   # Ireland

  shop:stripe-secret-key:   # rotated by hand
    secure: CIPHER   # 2024-01-02
  # last
  shop:tail: yes
# the end
`},
		{"short key", `config:
  stripe-secret-key:
    secure: %OLD%
encryptionsalt: %SALT%
`, `config:
  stripe-secret-key:
    secure: CIPHER
encryptionsalt: %SALT%
`},
		{"quoted keys and values, four spaces", `encryptionsalt: "%SALT%"
config:
    "shop:other":
        secure: '%OLD%'
    "shop:stripe-secret-key":
        secure: "%OLD%"
`, `encryptionsalt: "%SALT%"
config:
    "shop:other":
        secure: '%OLD%'
    "shop:stripe-secret-key":
        secure: "CIPHER"
`},
		{"new key, four spaces and comments after", `config:
    shop:other:
        secure: %OLD%
    # more to come

# salt
encryptionsalt: %SALT%
`, `config:
    shop:other:
        secure: %OLD%
    shop:stripe-secret-key:
        secure: CIPHER
    # more to come

# salt
encryptionsalt: %SALT%
`},
		{"CRLF", "encryptionsalt: %SALT%\r\nconfig:\r\n  shop:a: b\r\n  shop:stripe-secret-key:\r\n    secure: %OLD%\r\n",
			"encryptionsalt: %SALT%\r\nconfig:\r\n  shop:a: b\r\n  shop:stripe-secret-key:\r\n    secure: CIPHER\r\n"},
		{"CRLF, new key", "encryptionsalt: %SALT%\r\nconfig:\r\n  shop:a: b\r\n",
			"encryptionsalt: %SALT%\r\nconfig:\r\n  shop:a: b\r\n  shop:stripe-secret-key:\r\n    secure: CIPHER\r\n"},
		{"no newline at the end", "encryptionsalt: %SALT%\nconfig:\n  shop:a: b",
			"encryptionsalt: %SALT%\nconfig:\n  shop:a: b\n  shop:stripe-secret-key:\n    secure: CIPHER"},
		{"anchors, merges and aliases", `encryptionsalt: %SALT%
base: &base
  shop:size: small
config:
  <<: *base
  shop:tags: &tags [a, b]
  shop:more: *tags
  shop:stripe-secret-key:
    secure: %OLD%
`, `encryptionsalt: %SALT%
base: &base
  shop:size: small
config:
  <<: *base
  shop:tags: &tags [a, b]
  shop:more: *tags
  shop:stripe-secret-key:
    secure: CIPHER
`},
		{"nested objects, lists and text", `encryptionsalt: %SALT%
config:
  shop:db:
    host: db.example
    password:
      secure: %OLD%
    ports:
    - 5432
    - 5433
  shop:motd: |
    Hello

    # not a comment
  shop:hosts:
  - a
  - b: {c: d}
`, `encryptionsalt: %SALT%
config:
  shop:db:
    host: db.example
    password:
      secure: %OLD%
    ports:
    - 5432
    - 5433
  shop:motd: |
    Hello

    # not a comment
  shop:hosts:
  - a
  - b: {c: d}
  shop:stripe-secret-key:
    secure: CIPHER
`},
		{"text block last", `encryptionsalt: %SALT%
config:
  shop:motd: |
    Hello
    # not a comment
`, `encryptionsalt: %SALT%
config:
  shop:motd: |
    Hello
    # not a comment
  shop:stripe-secret-key:
    secure: CIPHER
`},
		{"braces", `{encryptionsalt: "%SALT%", config: {shop:a: b, "shop:stripe-secret-key": {secure: "%OLD%"}}}
`, `{encryptionsalt: "%SALT%", config: {shop:a: b, "shop:stripe-secret-key": {secure: "CIPHER"}}}
`},
		{"braces, new key", "encryptionsalt: %SALT%\nconfig: {shop:a: b}\n",
			"encryptionsalt: %SALT%\nconfig: {shop:stripe-secret-key: {secure: CIPHER}, shop:a: b}\n"},
		{"brackets over several lines", `encryptionsalt: %SALT%
config:
  shop:stripe-secret-key: {
    # why
    secure: "%OLD%",
  }
  shop:list: [ # it's "long
    a, "b]", 'c''}',
  ]
`, `encryptionsalt: %SALT%
config:
  shop:stripe-secret-key: {
    # why
    secure: "CIPHER",
  }
  shop:list: [ # it's "long
    a, "b]", 'c''}',
  ]
`},
		{"brackets over several lines, new key", `encryptionsalt: %SALT%
config:
  shop:list: [ # it's "long
    a, "b]\"", 'c''}',
  ] # done
# end
`, `encryptionsalt: %SALT%
config:
  shop:list: [ # it's "long
    a, "b]\"", 'c''}',
  ] # done
  shop:stripe-secret-key:
    secure: CIPHER
# end
`},
		{"empty braces", "encryptionsalt: %SALT%\nconfig: {} # nothing yet\n",
			"encryptionsalt: %SALT%\nconfig: {shop:stripe-secret-key: {secure: CIPHER}} # nothing yet\n"},
		{"config without a value", "config: # nothing yet\nencryptionsalt: %SALT%\n",
			"config: # nothing yet\n  shop:stripe-secret-key:\n    secure: CIPHER\nencryptionsalt: %SALT%\n"},
		{"only a salt", "encryptionsalt: %SALT%\n",
			"encryptionsalt: %SALT%\nconfig:\n  shop:stripe-secret-key:\n    secure: CIPHER\n"},
		{"the form of before 2018", `encryptionsalt: %SALT%
config:
  shop:config:stripe-secret-key:
    secure: %OLD% # by Anna
  shop:config:z: 1
`, `encryptionsalt: %SALT%
config:
  shop:config:stripe-secret-key:
    secure: CIPHER # by Anna
  shop:config:z: 1
`},
		{"a name that is an object elsewhere", `encryptionsalt: %SALT%
config:
  other:stripe-secret-key: {a: b}
  shop:app: {stripe-secret-key: {secure: "%OLD%"}}
`, `encryptionsalt: %SALT%
config:
  other:stripe-secret-key: {a: b}
  shop:app: {stripe-secret-key: {secure: "%OLD%"}}
  shop:stripe-secret-key:
    secure: CIPHER
`},
		{"a folded ciphertext", `encryptionsalt: %SALT%
config:
  shop:stripe-secret-key:
    secure: >-
      %OLD%
  shop:z: 1
`, `encryptionsalt: %SALT%
config:
  shop:stripe-secret-key:
    secure: CIPHER
  shop:z: 1
`},
		{"byte order mark and other letters", "\uFEFF# Umläute: äöü\nencryptionsalt: %SALT%\nconfig:\n  shop:größe: \"groß\"\n  shop:stripe-secret-key: {secure: \"%OLD%\"} # größer\n",
			"\uFEFF# Umläute: äöü\nencryptionsalt: %SALT%\nconfig:\n  shop:größe: \"groß\"\n  shop:stripe-secret-key: {secure: \"CIPHER\"} # größer\n"},
		{"other sections and a document start", `---
environment:
  - shop/base
encryptionsalt: %SALT%
config:
  shop:a: b
extra:
  kept: true
`, `---
environment:
  - shop/base
encryptionsalt: %SALT%
config:
  shop:a: b
  shop:stripe-secret-key:
    secure: CIPHER
extra:
  kept: true
`},
		{"both forms of the key", `encryptionsalt: %SALT%
config:
  stripe-secret-key:
    secure: %OLD%
  shop:stripe-secret-key:
    secure: %OLD%
`, `encryptionsalt: %SALT%
config:
  stripe-secret-key:
    secure: CIPHER
  shop:stripe-secret-key:
    secure: CIPHER
`},
	}
}

// refused are files that cannot be changed in one place alone.
func refused() []sample {
	return []sample{
		{name: "two documents", before: "encryptionsalt: %SALT%\nconfig:\n  shop:a: b\n---\nconfig: {}\n"},
		{name: "config is an alias", before: "encryptionsalt: %SALT%\nbase: &b {shop:a: b}\nconfig: *b\n"},
		{name: "the value is what an alias means", before: "encryptionsalt: %SALT%\nconfig:\n  shop:stripe-secret-key: &k {old: form}\n  shop:other: *k\n"},
		{name: "complex key", before: "encryptionsalt: %SALT%\nconfig:\n  ? shop:stripe-secret-key\n  : plain\n"},
		{name: "not a mapping", before: "- encryptionsalt: %SALT%\n"},
		{name: "not YAML", before: "encryptionsalt: %SALT%\nconfig: [shop:a\n"},
		{name: "secrets without a salt", before: "config:\n  shop:other:\n    secure: %OLD%\n"},
		{name: "encrypted with another salt", before: "encryptionsalt: %SALT%\nconfig:\n  shop:stripe-secret-key:\n    secure: v1:AAAAAAAAAAAAAAAA:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==\n"},
		{name: "plain text", before: "encryptionsalt: %SALT%\nconfig:\n  shop:stripe-secret-key: \"sk_plain\" # oh dear\n  shop:z: 1\n"},
		{name: "plain text in the form of before 2018", before: "encryptionsalt: %SALT%\nconfig:\n  shop:config:stripe-secret-key: sk_plain\n"},
		{name: "an object", before: "encryptionsalt: %SALT%\nconfig:\n  shop:stripe-secret-key:\n    old: form\n    of:\n    - it\n  # about z\n  shop:z: 1\n"},
		{name: "an object with the secret in it", before: "encryptionsalt: %SALT%\nconfig:\n  shop:stripe-secret-key:\n    live: {secure: \"%OLD%\"}\n"},
		{name: "a list", before: "encryptionsalt: %SALT%\nconfig:\n  shop:stripe-secret-key:\n  - secure: %OLD%\n"},
		{name: "an empty list", before: "encryptionsalt: %SALT%\nconfig:\n  shop:stripe-secret-key: []\n"},
		{name: "an object encrypted with another salt", before: "encryptionsalt: %SALT%\nconfig:\n  shop:stripe-secret-key:\n    a: {secure: v1:AAAAAAAAAAAAAAAA:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==}\n"},
	}
}
