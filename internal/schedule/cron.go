package schedule

import (
	"errors"
	"path/filepath"
	"regexp"
	"strings"
)

// The lines around what is ours in a crontab.
const (
	cronBegin = "# BEGIN secret-rotation. " + Mark
	cronEnd   = "# END secret-rotation"
)

// Cron is the block of a crontab. A run is silent, and so mails nothing, unless
// it fails or finds something: then its whole log is mailed to the table's owner.
func (p Plan) Cron() string {
	var b strings.Builder
	b.WriteString(cronBegin + "\n")
	for _, j := range p.jobs() {
		log := shellWord(filepath.Join(p.Log, j.unit+".log"))
		words := []string{"umask 077; mkdir -p " + shellWord(p.Log) + "; cd " + shellWord(p.Dir) + " &&"}
		if p.EnvFile != "" {
			words = append(words, "set -a && . "+shellWord(p.EnvFile)+" && set +a &&")
		}
		words = append(words, "env")
		for _, kv := range p.environment() {
			words = append(words, shellWord(kv))
		}
		for _, w := range j.command {
			words = append(words, shellWord(w))
		}
		line := strings.Join(words, " ") + " >" + log + " 2>&1 || { code=$?; "
		if j.success != nil {
			line += `case $code in ` + strings.ReplaceAll(j.success.Codes, " ", "|") + `) ;; *) cat ` + log + "; esac; }"
		} else {
			line += "cat " + log + `; echo "exit code $code"; }`
		}
		// To cron a percent sign is the end of the line.
		b.WriteString(j.cron + " " + strings.ReplaceAll(line, "%", `\%`) + "\n")
	}
	b.WriteString(cronEnd + "\n")
	return b.String()
}

// longestLine is the longest command that Debian's cron takes (MAX_COMMAND).
const longestLine = 990

// CheckCron refuses a plan whose lines are too long for cron.
func (p Plan) CheckCron() error {
	for line := range strings.Lines(p.Cron()) {
		if len(line) > longestLine {
			return errors.New("a line would be longer than cron takes (1000 characters): shorten PATH, or let systemd do it")
		}
	}
	return nil
}

func (p Plan) environment() []string {
	if p.Passphrase == "" {
		return p.Environment
	}
	return append(append([]string{}, p.Environment...), "PULUMI_CONFIG_PASSPHRASE_FILE="+p.Passphrase)
}

// ErrTornBlock: a crontab has one of the lines around our block and not the
// other, so it cannot be told what is ours.
var ErrTornBlock = errors.New("the crontab has the first or the last line of the block of secret-rotation and not the other")

var block = regexp.MustCompile(`(?m)^` + regexp.QuoteMeta("# BEGIN secret-rotation.") + `.*\n(?:.*\n)*?` + regexp.QuoteMeta(cronEnd) + `\n?`)

// WithBlock is the crontab with this block in the place of the one before, or
// at its end; an empty block takes it out. All else stays byte for byte.
func WithBlock(table, text string) (string, error) {
	if table != "" && !strings.HasSuffix(table, "\n") {
		table += "\n"
	}
	begins, ends := 0, 0
	for line := range strings.Lines(table) {
		if strings.HasPrefix(line, "# BEGIN secret-rotation.") {
			begins++
		}
		if strings.TrimRight(line, "\n") == cronEnd {
			ends++
		}
	}
	at := block.FindAllStringIndex(table, -1)
	switch {
	case begins != ends || begins != len(at) || begins > 1:
		return "", ErrTornBlock
	case begins == 0:
		return table + text, nil
	}
	return table[:at[0][0]] + text + table[at[0][1]:], nil
}

// shellWord is a word that sh takes as it is.
func shellWord(s string) string {
	if plainWord.MatchString(s) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
