// Package apitest holds the public API of the module to testdata/api.txt.
package apitest

import (
	"bytes"
	"flag"
	"fmt"
	"go/ast"
	"go/doc"
	"go/parser"
	"go/printer"
	"go/token"
	"go/types"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	modulePath = "github.com/antbuddy/antcrm-go"
	moduleRoot = "../.."
	apiFile    = moduleRoot + "/testdata/api.txt"
	renew      = "go test ./internal/apitest -update"
)

var update = flag.Bool("update", false, "write testdata/api.txt anew")

// The public API of the module's packages is what testdata/api.txt says, one name a line, so that a change of it shows
// in a review. After a change that is meant: go test ./internal/apitest -update
func TestPublicAPI(t *testing.T) {
	t.Parallel()
	var lines []string
	for _, pkg := range publicPackages(t) {
		lines = append(lines, pkg.api()...)
	}
	got := strings.Join(lines, "\n") + "\n"
	if *update {
		require.NoError(t, os.WriteFile(apiFile, []byte(got), 0o644))
	}
	want, err := os.ReadFile(apiFile)
	require.NoError(t, err)
	assert.Equal(t, strings.ReplaceAll(string(want), "\r\n", "\n"), got, "if this is meant: "+renew)
}

// Whoever uses the SDK depends on no library that it is built with: another can take its place in any release.
func TestNoThirdPartyNameIsInThePublicAPI(t *testing.T) {
	t.Parallel()
	packages := publicPackages(t)
	require.GreaterOrEqual(t, len(packages), 4)
	for _, pkg := range packages {
		for _, line := range pkg.api() {
			assert.NotRegexp(t, foreignName, line)
		}
	}
}

// foreignName is a name that a package qualifies by the path of another module, as apiPackage writes it.
var foreignName = regexp.MustCompile(`\w\.\w+/[\w./-]+\.[A-Z]`)

func TestTheAPIReaderNamesOtherModules(t *testing.T) {
	t.Parallel()
	pkg := apiPackage{path: "p", fset: token.NewFileSet(), constants: map[string]string{}}
	pkg.parse(t, "p.go", `package p
import ("time"; "encoding/json"; js "github.com/go-json-experiment/json"; "example.com/lib/v2"; own "`+modulePath+`/records")
type hidden struct{}
func (hidden) Read(js.Decoder) {}
type T struct { hidden; A json.Number; B own.Row; C []lib.X; d lib.X }
const ( Zero Kind = iota; _; Two )
const Name, other = "n", 1
type Kind int
type I interface { M(int) string; own.Table }
func (k *Kind) set() {}
func Map[K comparable](a, b K, more ...func(K) error) (n int, err error) { return 0, nil }
`)
	lines := pkg.api()
	assert.Equal(t, []string{
		"pkg p",
		`const Name = "n"`,
		"func Map[K comparable](a, b K, more ...func(K) error) (n int, err error)",
		"type I interface",
		"type I interface, M(int) string",
		"type I interface, own.Table",
		"type Kind int",
		"const Zero Kind = 0",
		"const Two Kind = 2",
		"type T struct",
		"type T struct, A json.Number",
		"type T struct, B own.Row",
		"type T struct, C []example.com/lib/v2.X",
		"func (T) Read(github.com/go-json-experiment/json.Decoder)",
	}, lines)
	for i, line := range lines {
		assert.Equal(t, i >= len(lines)-2, foreignName.MatchString(line), line)
	}
}

// apiPackage is one package as its source says, without a type checker: the same on every system and Go release.
type apiPackage struct {
	path      string
	fset      *token.FileSet
	files     []*ast.File
	constants map[string]string
}

// publicPackages are the packages of this module that others can import.
func publicPackages(t *testing.T) []apiPackage {
	t.Helper()
	var packages []apiPackage
	require.NoError(t, filepath.WalkDir(moduleRoot, func(dir string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.IsDir() {
			return err
		}
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); dir != moduleRoot && (err == nil || !isPackageFolder(entry.Name())) {
			return fs.SkipDir
		}
		path := modulePath + strings.TrimPrefix(filepath.ToSlash(dir), moduleRoot)
		pkg := apiPackage{path: path, fset: token.NewFileSet(), constants: map[string]string{}}
		names, err := filepath.Glob(filepath.Join(dir, "*.go"))
		for _, name := range names {
			if !strings.HasSuffix(name, "_test.go") {
				pkg.parse(t, name, nil)
			}
		}
		if len(pkg.files) > 0 && pkg.files[0].Name.Name != "main" {
			packages = append(packages, pkg)
		}
		return err
	}))
	return packages
}

func isPackageFolder(name string) bool {
	return name != "internal" && name != "examples" && name != "testdata" && name != "node_modules" && !strings.HasPrefix(name, ".") && !strings.HasPrefix(name, "_")
}

func (p *apiPackage) parse(t *testing.T, name string, source any) {
	t.Helper()
	file, err := parser.ParseFile(p.fset, name, source, parser.SkipObjectResolution)
	require.NoError(t, err)
	p.files = append(p.files, file)
	qualify(file)
	for _, decl := range file.Decls {
		if group, ok := decl.(*ast.GenDecl); ok && group.Tok == token.CONST {
			p.evaluate(group)
		}
	}
}

// qualify names imports from other modules than this and the standard library by their whole path, wherever they are
// used.
func qualify(file *ast.File) {
	paths := map[string]string{}
	for _, spec := range file.Imports {
		path, _ := strconv.Unquote(spec.Path.Value)
		if first, _, _ := strings.Cut(path, "/"); !strings.Contains(first, ".") || path == modulePath || strings.HasPrefix(path, modulePath+"/") {
			continue
		}
		name := regexp.MustCompile(`/v\d+$`).ReplaceAllString(path, "")
		name = name[strings.LastIndex(name, "/")+1:]
		if spec.Name != nil {
			name = spec.Name.Name
		}
		paths[name] = path
	}
	ast.Inspect(file, func(node ast.Node) bool {
		if selector, ok := node.(*ast.SelectorExpr); ok {
			if name, ok := selector.X.(*ast.Ident); ok && paths[name.Name] != "" {
				name.Name = paths[name.Name]
			}
		}
		return true
	})
}

// evaluate keeps the values of a group of constants; of an expression that names others, its text.
func (p *apiPackage) evaluate(group *ast.GenDecl) {
	var values []ast.Expr // an empty specification repeats the one before
	for i, spec := range group.Specs {
		spec := spec.(*ast.ValueSpec)
		if len(spec.Values) > 0 {
			values = spec.Values
		}
		for n, name := range spec.Names {
			text := regexp.MustCompile(`\biota\b`).ReplaceAllString(p.text(values[n]), strconv.Itoa(i))
			if value, err := types.Eval(token.NewFileSet(), nil, token.NoPos, text); err == nil && value.Value != nil {
				text = value.Value.ExactString()
			}
			p.constants[name.Name] = text
		}
	}
}

// api lists what the package exports, a line each, in the order of go doc. It can be called once: go/doc cuts what it
// reads.
func (p *apiPackage) api() []string {
	documented, err := doc.NewFromFiles(p.fset, p.files, p.path)
	if err != nil {
		panic(err)
	}
	lines := []string{"pkg " + p.path}
	lines = append(lines, p.values(documented.Consts)...)
	lines = append(lines, p.values(documented.Vars)...)
	lines = append(lines, p.funcs(documented.Funcs)...)
	for _, typ := range documented.Types {
		for _, spec := range typ.Decl.Specs {
			if spec, ok := spec.(*ast.TypeSpec); ok && spec.Name.Name == typ.Name {
				lines = append(lines, p.typeLines(spec)...)
			}
		}
		lines = append(lines, p.values(typ.Consts)...)
		lines = append(lines, p.values(typ.Vars)...)
		lines = append(lines, p.funcs(typ.Funcs)...)
		lines = append(lines, p.funcs(typ.Methods)...)
	}
	return lines
}

// values renders constants and variables. A constant's value is part of the API.
func (p *apiPackage) values(groups []*doc.Value) []string {
	var lines []string
	for _, group := range groups {
		var typ ast.Expr // an empty specification repeats the one before
		for _, spec := range group.Decl.Specs {
			spec := spec.(*ast.ValueSpec)
			if spec.Type != nil || len(spec.Values) > 0 {
				typ = spec.Type
			}
			for _, name := range spec.Names {
				if !name.IsExported() {
					continue
				}
				line := fmt.Sprintf("%v %s", group.Decl.Tok, name.Name)
				if typ != nil {
					line += " " + p.text(typ)
				}
				if group.Decl.Tok == token.CONST {
					line += " = " + p.constants[name.Name]
				}
				lines = append(lines, line)
			}
		}
	}
	return lines
}

func (p *apiPackage) funcs(funcs []*doc.Func) []string {
	var lines []string
	for _, f := range funcs {
		decl := *f.Decl
		decl.Doc, decl.Body = nil, nil
		if decl.Recv != nil {
			decl.Recv = &ast.FieldList{List: []*ast.Field{{Type: ast.NewIdent(f.Recv)}}} // of a promoted method: the outer type
		}
		lines = append(lines, p.text(&decl))
	}
	return lines
}

// typeLines renders a type: a struct by its exported fields with their tags, an interface by its methods.
func (p *apiPackage) typeLines(spec *ast.TypeSpec) []string {
	name := "type " + spec.Name.Name
	if spec.TypeParams != nil {
		var params []string
		for _, field := range spec.TypeParams.List {
			params = append(params, fieldNames(field)+" "+p.text(field.Type))
		}
		name += "[" + strings.Join(params, ", ") + "]"
	}
	if spec.Assign.IsValid() {
		name += " ="
	}
	var fields *ast.FieldList
	switch typ := spec.Type.(type) {
	case *ast.StructType:
		name, fields = name+" struct", typ.Fields
	case *ast.InterfaceType:
		name, fields = name+" interface", typ.Methods
	default:
		return []string{name + " " + p.text(spec.Type)}
	}
	lines := []string{name}
	for _, field := range fields.List {
		lines = append(lines, name+", "+p.fieldText(field))
	}
	return lines
}

func (p *apiPackage) fieldText(field *ast.Field) string {
	text := fieldNames(field)
	if method, ok := field.Type.(*ast.FuncType); ok && text != "" {
		return text + strings.TrimPrefix(p.text(method), "func")
	}
	text = strings.TrimSpace(text + " " + p.text(field.Type))
	if field.Tag != nil {
		text += " " + field.Tag.Value
	}
	return text
}

func fieldNames(field *ast.Field) string {
	var names []string
	for _, name := range field.Names {
		names = append(names, name.Name)
	}
	return strings.Join(names, ", ")
}

// text is a piece of source on one line.
func (p *apiPackage) text(node ast.Node) string {
	var buffer bytes.Buffer
	if err := printer.Fprint(&buffer, token.NewFileSet(), node); err != nil {
		panic(err)
	}
	return strings.Join(strings.Fields(buffer.String()), " ")
}
