module postern/bench/kubestub

go 1.26
