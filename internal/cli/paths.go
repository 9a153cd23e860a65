package cli

import (
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// checkPaths refuses flags that name a file or folder by what a shell has not filled
// in: an empty value (of a variable that is not set) would mean the default, for
// --sandbox the company's accounts; and no shell expands a ~ behind an equals sign.
func checkPaths(cmd *cobra.Command, _ []string) (err error) {
	cmd.Flags().Visit(func(f *pflag.Flag) {
		switch what, _ := pflag.UnquoteUsage(f); what {
		case "DIR", "FILE", "PATH":
		default:
			return
		}
		values := []string{f.Value.String()}
		if list, ok := f.Value.(pflag.SliceValue); ok {
			values = list.GetSlice()
		}
		for _, value := range values {
			if strings.HasPrefix(value, "~") && f.Value.Type() == "string" {
				_ = f.Value.Set("") // or the commands to type next would carry it
			}
			rest, home := strings.CutPrefix(value, "~")
			switch {
			case err != nil:
			case value == "":
				err = misused(typed(path(cmd), "--help"), "--%s is empty: a variable that is not set? Leave the flag off, or name what is meant", f.Name)
			case home && (rest == "" || rest[0] == '/'):
				err = misused(typed(path(cmd), "--"+f.Name+`="$HOME`+rest+`"`), "--%s=%s would be a folder named ~: the shell leaves it as it is behind an equals sign", f.Name, value)
			case home:
				err = misused(typed(path(cmd), "--help"), "--%s=%s would be a folder named %s: the shell leaves it as it is behind an equals sign", f.Name, value, value)
			}
		}
	})
	return err
}
