package cache

import "math/bits"

// Sizes in bytes of the pieces that a large file is cut into. Where it is cut depends on the content around the place,
// so that an insertion changes the pieces that it touches and no other (FastCDC: a stricter condition before the usual
// size, a weaker one behind it).
const (
	minPiece   = 64 << 10
	usualPiece = 256 << 10
	maxPiece   = 1 << 20
)

// gear has a random number for each byte.
var gear = newGear()

func newGear() (table [256]uint64) {
	state := uint64(0x9e3779b97f4a7c15)
	for i := range table { // splitmix64
		state += 0x9e3779b97f4a7c15
		z := state
		z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
		z = (z ^ z>>27) * 0x94d049bb133111eb
		table[i] = z ^ z>>31
	}
	return table
}

// cut returns the length of the first piece of data. The data is shorter than maxPiece only at the end of a file.
func cut(data []byte) int {
	if len(data) <= minPiece {
		return len(data)
	}
	data = data[:min(len(data), maxPiece)]
	width := bits.Len(usualPiece) - 1
	strict, weak := ^uint64(0)<<(64-width-1), ^uint64(0)<<(64-width+1)
	var hash uint64
	i := minPiece
	for end := min(len(data), usualPiece); i < end; i++ {
		if hash = hash<<1 + gear[data[i]]; hash&strict == 0 {
			return i + 1
		}
	}
	for ; i < len(data); i++ {
		if hash = hash<<1 + gear[data[i]]; hash&weak == 0 {
			return i + 1
		}
	}
	return len(data)
}
