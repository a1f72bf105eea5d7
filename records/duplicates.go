package records

import (
	"hash/maphash"
	"math"
)

// lines remembers on which line a key was seen first, in 12 bytes a key: many short lists grow without the leap of one
// large table.
type lines struct {
	seed   maphash.Seed
	shards [][]lineOf
}

// lineOf is a hash and its line. Two words of 32 bits waste no padding.
type lineOf struct {
	high, low uint32
	line      uint32
}

const shardBits = 12

func newLines() *lines {
	return &lines{seed: maphash.MakeSeed(), shards: make([][]lineOf, 1<<shardBits)}
}

// first returns the line on which the key was seen before, or 0.
func (l *lines) first(key string, line int) int {
	hash := maphash.String(l.seed, key)
	high, low := uint32(hash>>32), uint32(hash)
	shard := &l.shards[hash>>(64-shardBits)]
	for _, seen := range *shard {
		if seen.low == low && seen.high == high {
			return int(seen.line)
		}
	}
	if len(*shard) == cap(*shard) { // append would double short lists
		grown := make([]lineOf, len(*shard), len(*shard)+len(*shard)/4+4)
		copy(grown, *shard)
		*shard = grown
	}
	*shard = append(*shard, lineOf{high: high, low: low, line: uint32(min(int64(line), math.MaxUint32))})
	return 0
}
