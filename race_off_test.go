//go:build !race

package antcrm_test

const raceDetector = false
