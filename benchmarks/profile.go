package main

import (
	"flag"
	"os"
	"runtime"
	"runtime/pprof"
)

// profileFlags adds -cpuprofile and -memprofile. What it returns begins to
// profile, and gives a function that ends it.
func profileFlags() func() (finish func() error, err error) {
	cpu := flag.String("cpuprofile", "", "write a CPU profile to this file")
	mem := flag.String("memprofile", "", "write a profile of all allocations to this file")
	return func() (func() error, error) {
		finish := func() error { return nil }
		if *cpu != "" {
			file, err := os.Create(*cpu)
			if err != nil {
				return nil, err
			}
			if err := pprof.StartCPUProfile(file); err != nil {
				return nil, err
			}
			finish = func() error {
				pprof.StopCPUProfile()
				return file.Close()
			}
		}
		if *mem == "" {
			return finish, nil
		}
		runtime.MemProfileRate = 4096
		return func() error {
			if err := finish(); err != nil {
				return err
			}
			file, err := os.Create(*mem)
			if err != nil {
				return err
			}
			if err := pprof.Lookup("allocs").WriteTo(file, 0); err != nil {
				return err
			}
			return file.Close()
		}, nil
	}
}
