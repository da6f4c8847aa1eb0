package extract

// Progress is told about downloads. It may be called from several goroutines.
type Progress interface {
	// Layer announces a layer of size compressed bytes.
	Layer(digest string, size int64) LayerProgress
}

// LayerProgress is told about one layer.
type LayerProgress interface {
	// Add says that n more bytes have arrived.
	Add(n int64)
	// Done says that no more will: the layer is unpacked and verified, or it failed.
	Done()
}

type silent struct{}

func (silent) Layer(string, int64) LayerProgress { return silent{} }
func (silent) Add(int64)                         {}
func (silent) Done()                             {}
