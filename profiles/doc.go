// Package profiles says what to run: the settings of an instance, and what
// follows from them for one version of the node.
//
// Upstream renames variables, drops flags and moves settings from the
// environment into files between versions, and a node neither starts with a
// flag it does not know nor complains about a variable it does not read. So
// the command line and the environment are functions of the version (Render),
// and the names of variables are checked against the list that the image
// itself carries (KnownVariables).
//
// Roles and networks are data: a TOML file each, in roles/ and networks/, and an
// operator's own beside or instead of them (Catalog). So is what is known of
// the node's variables: variables/ has their types, who reads them, and what
// became of them (Variable), so that a value is judged before it is written
// and an old .env can be rewritten (Migrate). An instance is a TOML file too
// (Instance), the one thing an operator edits.
// What the two do not say is not in an environment by chance: a variable has
// either a setting here, or is the operator's own and goes through as it is.
//
// Subpackages know the two formats that the outcome is written in:
// profiles/envfile and profiles/keystore.
package profiles
