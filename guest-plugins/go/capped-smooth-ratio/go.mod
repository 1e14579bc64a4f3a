module capped-smooth-ratio-go

go 1.24
