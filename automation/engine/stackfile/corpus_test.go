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
		{"plain text becomes a secret", `encryptionsalt: %SALT%
config:
  shop:stripe-secret-key: "sk_plain" # oh dear
  shop:z: 1
`, `encryptionsalt: %SALT%
config:
  shop:stripe-secret-key: # oh dear
    secure: CIPHER
  shop:z: 1
`},
		{"an object becomes a secret", `encryptionsalt: %SALT%
config:
  shop:stripe-secret-key:
    old: form
    of:
    - it
  # about z
  shop:z: 1
`, `encryptionsalt: %SALT%
config:
  shop:stripe-secret-key:
    secure: CIPHER
  # about z
  shop:z: 1
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
		{name: "secrets of another salt", before: "encryptionsalt: %SALT%\nconfig:\n  shop:other:\n    secure: v1:AAAAAAAAAAAAAAAA:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==\n"},
	}
}
