package apitest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"regexp"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A newcomer follows docs/architecture.md through the code: what it names must be there.
func TestTheFunctionsThatTheArchitectureNamesExist(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(moduleRoot + "/docs/architecture.md")
	require.NoError(t, err)
	rows := regexp.MustCompile("(?m)^\\| `([^`]+\\.go)` \\| `([^`]+)` \\|").FindAllStringSubmatch(string(page), -1)
	assert.Greater(t, len(rows), 50)
	declared := map[string]map[string]bool{}
	for _, row := range rows {
		file, function := row[1], row[2]
		if declared[file] == nil {
			declared[file] = functionsOf(t, moduleRoot+"/"+file)
		}
		assert.True(t, declared[file][function], "%s has no %s", file, function)
	}
}

// functionsOf lists the functions of a file as the page writes them: Decide, callRun.attempt.
func functionsOf(t *testing.T, path string) map[string]bool {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
	require.NoError(t, err)
	names := map[string]bool{}
	for _, decl := range file.Decls {
		if f, ok := decl.(*ast.FuncDecl); ok {
			names[receiverOf(f)+f.Name.Name] = true
		}
	}
	return names
}

// receiverOf returns the type that a method belongs to and a dot, "" for a function.
func receiverOf(f *ast.FuncDecl) string {
	if f.Recv == nil {
		return ""
	}
	t := f.Recv.List[0].Type
	for {
		switch of := t.(type) {
		case *ast.StarExpr:
			t = of.X
		case *ast.IndexExpr:
			t = of.X
		case *ast.IndexListExpr:
			t = of.X
		case *ast.Ident:
			return of.Name + "."
		default:
			return ""
		}
	}
}
