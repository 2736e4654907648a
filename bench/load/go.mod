module postern/bench/load

go 1.26
