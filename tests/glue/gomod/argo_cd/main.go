// Command argo_cd runs a health check in Lua as Argo CD does: the object is the global `obj`, the libraries are those
// that Argo CD opens, and what comes back is a table with status and message.
//
// It reads {"script": "...", "objects": [{...}]} and writes one {"status", "message", "error"} for each object.
package main

import (
	"encoding/json"
	"fmt"
	"os"

	lua "github.com/yuin/gopher-lua"
)

type question struct {
	Script  string           `json:"script"`
	Objects []map[string]any `json:"objects"`
}

type health struct {
	Status  string `json:"status"`
	Message string `json:"message"`
	Error   string `json:"error"`
}

type library struct {
	name string
	open lua.LGFunction
}

// openedByArgo are the libraries that Argo CD's util/lua opens, in its order; its cut down `os` is not among them, so
// that a check which goes by the clock fails here.
var openedByArgo = []library{
	{lua.LoadLibName, lua.OpenPackage},
	{lua.BaseLibName, lua.OpenBase},
	{lua.TabLibName, lua.OpenTable},
	{lua.StringLibName, lua.OpenString},
	{lua.MathLibName, lua.OpenMath},
}

func main() {
	var asked question
	if err := json.NewDecoder(os.Stdin).Decode(&asked); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	told := make([]health, 0, len(asked.Objects))
	for _, object := range asked.Objects {
		told = append(told, assess(asked.Script, object))
	}
	if err := json.NewEncoder(os.Stdout).Encode(told); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
}

func assess(script string, object map[string]any) health {
	state := lua.NewState(lua.Options{SkipOpenLibs: true})
	defer state.Close()
	if err := open(state); err != nil {
		return health{Error: err.Error()}
	}
	state.SetGlobal("obj", value(state, object))
	if err := state.DoString(script); err != nil {
		return health{Error: err.Error()}
	}
	table, ok := state.Get(-1).(*lua.LTable)
	if !ok {
		return health{Error: fmt.Sprintf("a table is expected, and it is %s", state.Get(-1).Type())}
	}
	return health{Status: text(table, "status"), Message: text(table, "message")}
}

func open(state *lua.LState) error {
	for _, one := range openedByArgo {
		call := lua.P{Fn: state.NewFunction(one.open), NRet: 0, Protect: true}
		if err := state.CallByParam(call, lua.LString(one.name)); err != nil {
			return err
		}
	}
	return nil
}

func text(table *lua.LTable, name string) string {
	found, _ := table.RawGetString(name).(lua.LString)
	return string(found)
}

// value is an object as Lua sees it: what is null is not there.
func value(state *lua.LState, from any) lua.LValue {
	switch known := from.(type) {
	case bool:
		return lua.LBool(known)
	case float64:
		return lua.LNumber(known)
	case string:
		return lua.LString(known)
	case []any:
		table := state.CreateTable(len(known), 0)
		for _, one := range known {
			table.Append(value(state, one))
		}
		return table
	case map[string]any:
		table := state.CreateTable(0, len(known))
		for name, one := range known {
			table.RawSetString(name, value(state, one))
		}
		return table
	}
	return lua.LNil
}
