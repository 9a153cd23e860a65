package cli

import (
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sanmarcsoft/secret-rotation/internal/notify"
	"github.com/sanmarcsoft/secret-rotation/internal/schedule"
)

// scheduling are the flags of schedule.
type scheduling struct {
	notices
	format, at, dir, output, only string
	system, remove                bool
}

const (
	formatSystemd = "systemd"
	formatCron    = "cron"
	formatGitHub  = "github"
)

func (a *app) scheduleCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "schedule",
		Short: "Run the drift check every night, and retire old values when they are due",
		Long: `Writes what runs the program by itself: drift every night, and revoke --due
every hour (--only drift leaves that out, which a host with read-only access to
pass wants). docs/nightly.md is how to set up such a host; doctor --nightly
checks it.

--format github is a workflow of the repository in this folder. It builds the
program where that repository is the program's own, else it installs it, and it
carries --catalog and --root, which must be valid in a checkout.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(a.schedulePrint(), a.scheduleInstall())
	return cmd
}

func (o *scheduling) common(cmd *cobra.Command) {
	o.flags(cmd)
	f := cmd.Flags()
	f.StringVar(&o.format, "format", formatSystemd, "`systemd`, cron or github")
	f.StringVar(&o.at, "at", "03:17", "`HH:MM`, local time (github: UTC), of the drift check")
	f.StringVar(&o.output, "output", "", "`FILE` of the report: .html, .md, .json, else text")
	f.StringVar(&o.only, "only", "", "`drift`: without revoke --due")
	f.BoolVar(&o.system, "system", false, "units of the system and not of the user")
	_ = cmd.RegisterFlagCompletionFunc("format", words(formatSystemd, formatCron, formatGitHub))
	_ = cmd.RegisterFlagCompletionFunc("only", words("drift"))
}

func words(all ...string) completer {
	return func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return all, cobra.ShellCompDirectiveNoFileComp
	}
}

func (a *app) schedulePrint() *cobra.Command {
	var o scheduling
	cmd := &cobra.Command{
		Use:   "print",
		Short: "Print the units, crontab lines or workflow",
		Example: `  go run . schedule print
  go run . schedule print --format github
  go run . schedule print --format github --catalog ops/secrets.yaml --root ..`,
		Args: noArgs,
		RunE: func(*cobra.Command, []string) error {
			p, err := a.schedulePlan(o)
			if err != nil {
				return err
			}
			if a.opts.json {
				return printJSON(a.env.Stdout, map[string]any{"files": a.scheduledFiles(o, p)})
			}
			for i, f := range a.scheduledFiles(o, p) {
				if i > 0 {
					_, _ = fmt.Fprintln(a.env.Stdout)
				}
				if o.format == formatSystemd {
					_, _ = fmt.Fprintf(a.env.Stdout, "# %s\n", f.Path)
				}
				_, _ = fmt.Fprint(a.env.Stdout, f.Text)
			}
			return nil
		},
	}
	o.common(cmd)
	cmd.Flags().StringVar(&o.dir, "dir", "", "`DIR` that the files would be written to")
	return cmd
}

func (a *app) scheduleInstall() *cobra.Command {
	var o scheduling
	cmd := &cobra.Command{
		Use:   "install",
		Short: "Write them where they belong and switch them on",
		Long: `Shows what it will write and switch on, asks, and does it; what is as it should
be stays. Where systemd does not run, or with --dir, it writes the files and says
what to type. --remove switches off and takes away what it wrote.

What is written holds no secret: --notify and --heartbeat take env:NAME, whose
value is in nightly.env (see docs/nightly.md), or pass:PATH.`,
		Example: `  go run . schedule install --notify pass:ops/slack-url --heartbeat pass:ops/heartbeat-url
  go run . schedule install --only drift --system
  go run . schedule install --format cron
  go run . schedule install --remove`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.installSchedule(cmd.Context(), o) },
	}
	o.common(cmd)
	cmd.Flags().StringVar(&o.dir, "dir", "", "write the files to `DIR` and switch nothing on")
	cmd.Flags().BoolVar(&o.remove, "remove", false, "take away what was installed")
	return cmd
}

// checkScheduling refuses what the flags cannot mean.
func (a *app) checkScheduling(o scheduling) error {
	verb := "install"
	if slices.Contains(a.args, "print") {
		verb = "print"
	}
	again := func(flag string) string { return "go run . schedule " + verb + " " + flag }
	switch {
	case a.opts.sandbox != "":
		return misused("go run . drift", "a sandbox is not scheduled: its accounts are on this machine only while it is served")
	case o.format != formatSystemd && o.format != formatCron && o.format != formatGitHub:
		text, meant := notFound("format", o.format, []string{formatSystemd, formatCron, formatGitHub})
		if meant == "" {
			meant = formatSystemd
		}
		return misused(again("--format "+meant), "%s", text)
	case o.only != "" && o.only != "drift":
		return misused(again("--only drift"), "--only takes drift: revoke --due is not scheduled without the check")
	case o.system && o.format != formatSystemd:
		return misused(again("--format systemd --system"), "--system is about systemd's units")
	}
	for _, ref := range append([]string{o.heartbeat}, o.notify...) {
		if ref != "" && !notify.Reference(ref) {
			return misused(again("--notify pass:PATH"), "the address would stand in a file and in a command line, and it holds a token: put it into pass and name its path, or name a variable (env:NAME)")
		}
		if name, ok := strings.CutPrefix(ref, "env:"); ok && !variableName.MatchString(name) {
			return misused(again("--notify env:NOTIFY_URL"), "%q is no name of a variable", name)
		}
		if o.format == formatGitHub && strings.HasPrefix(ref, "pass:") {
			return misused(again("--format github --notify env:NOTIFY_URL"), "in GitHub Actions an address is a secret of the environment (env:NAME)")
		}
	}
	return nil
}

// schedulePlan is what these flags and this environment come to.
func (a *app) schedulePlan(o scheduling) (p schedule.Plan, err error) {
	if err := a.checkScheduling(o); err != nil {
		return p, err
	}
	if p.Hour, p.Minute, err = schedule.ParseTime(o.at); err != nil {
		return p, misused("go run . schedule print --at 03:17", "--at: %v", err)
	}
	p.Notify, p.Heartbeat, p.System, p.Revoke, p.Dir = o.notify, o.heartbeat, o.system, o.only == "", a.env.Dir
	if o.format == formatGitHub {
		return p, a.workflowPlan(&p)
	}
	if p.Program, err = a.builtProgram(); err != nil {
		return p, err
	}
	home := a.env.Get("HOME")
	if o.system {
		if p.User, home, err = a.unitUser(home); err != nil {
			return p, err
		}
	}
	if !filepath.IsAbs(home) {
		return p, misused("export HOME=FOLDER", "HOME is not set, so it is not clear where pass and gpg are")
	}
	if a.opts.catalog != "" {
		p.Globals = append(p.Globals, "--catalog="+a.absolute(a.opts.catalog))
	}
	if a.opts.root != "" {
		p.Globals = append(p.Globals, "--root="+a.absolute(a.opts.root))
	}
	if a.opts.pulumi != "" {
		p.Globals = append(p.Globals, "--pulumi="+a.absolute(a.opts.pulumi))
	}
	if o.output != "" {
		p.Output = a.absolute(o.output)
	}
	if err := a.scheduleFolders(&p, o, home); err != nil {
		return p, err
	}
	err = p.Check()
	if err == nil && o.format == formatCron {
		err = p.CheckCron()
	}
	if err != nil {
		return p, misused("go run . schedule print --format systemd", "%v", err)
	}
	return p, nil
}

// scheduleFolders fills in where pass, gpg and this program's own files are.
func (a *app) scheduleFolders(p *schedule.Plan, o scheduling, home string) error {
	p.Environment = []string{"PATH=" + tidyPath(a.env.Get("PATH"))}
	or := func(name, usual string) string {
		if dir := a.env.Get(name); filepath.IsAbs(dir) {
			p.Environment = append(p.Environment, name+"="+dir)
			return dir
		}
		return usual
	}
	store, gnupg := or("PASSWORD_STORE_DIR", filepath.Join(home, ".password-store")), or("GNUPGHOME", filepath.Join(home, ".gnupg"))
	cache := or("XDG_CACHE_HOME", filepath.Join(home, ".cache"))
	config := or("XDG_CONFIG_HOME", filepath.Join(home, ".config"))
	for _, name := range []string{"GIT_SSH_COMMAND", "SSL_CERT_FILE", "HTTPS_PROXY", "NO_PROXY"} {
		// An address with a password in it is for nightly.env.
		if v := a.env.Get(name); v != "" && !strings.Contains(v, "@") {
			p.Environment = append(p.Environment, name+"="+v)
		}
	}
	p.Reads = []string{gnupg, cache, filepath.Join(home, ".ssh", "known_hosts")}
	if !o.system { // which has a folder of systemd's own
		p.Log = filepath.Join(or("XDG_STATE_HOME", filepath.Join(home, ".local", "state")), "secret-rotation")
	}
	if p.Output != "" {
		p.Reads = append(p.Reads, filepath.Dir(p.Output))
	}
	p.Writes = []string{store}
	cat, err := a.loadCatalog()
	if err != nil {
		return err
	}
	if dir, ok := strings.CutPrefix(cat.State.URL, "file://"); ok {
		p.Writes = append(p.Writes, a.absolute(dir))
	}
	if cat.State.Passphrase == "" {
		if p.Passphrase = a.env.Get("PULUMI_CONFIG_PASSPHRASE_FILE"); p.Passphrase != "" {
			p.Passphrase = a.absolute(p.Passphrase)
		}
	}
	for _, ref := range append([]string{o.heartbeat}, o.notify...) {
		if strings.HasPrefix(ref, "env:") {
			p.EnvFile = filepath.Join(config, "secret-rotation", "nightly.env")
		}
	}
	return nil
}

// tidyPath is a PATH with its folders once each, and without those that are not
// there.
func tidyPath(path string) string {
	var out []string
	for _, dir := range filepath.SplitList(path) {
		if info, err := os.Stat(dir); err == nil && info.IsDir() && filepath.IsAbs(dir) && !slices.Contains(out, dir) {
			out = append(out, dir)
		}
	}
	return strings.Join(out, ":")
}

// builtProgram is the program's file. What `go run` starts is gone when it ends.
func (a *app) builtProgram() (string, error) {
	file, err := os.Executable()
	if err == nil && !temporary(file) {
		return file, nil
	}
	file = filepath.Join(a.env.Dir, "bin", "secret-rotation")
	if info, err := os.Stat(file); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
		return file, nil
	}
	return "", misused("make build && ./bin/secret-rotation "+strings.Join(quotedAll(a.args), " "),
		"a timer needs the built program: what `go run` starts is gone when it ends, and %s does not exist", file)
}

// temporary: built by go run or go test.
func temporary(file string) bool {
	for _, part := range strings.Split(filepath.ToSlash(file), "/") {
		if strings.HasPrefix(part, "go-build") {
			return true
		}
	}
	return false
}

// unitUser is whom a system unit runs as: who types this, also behind sudo.
func (a *app) unitUser(home string) (name, dir string, err error) {
	if sudo := a.env.Get("SUDO_USER"); sudo != "" && os.Getuid() == 0 {
		u, err := user.Lookup(sudo)
		if err != nil {
			return "", "", fmt.Errorf("looking up SUDO_USER: %w", err)
		}
		return u.Username, u.HomeDir, nil
	}
	if u, err := user.Current(); err == nil {
		return u.Username, home, nil
	}
	return strconv.Itoa(os.Getuid()), home, nil
}

// variableName is what a shell and a workflow take for the name of a variable.
var variableName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
