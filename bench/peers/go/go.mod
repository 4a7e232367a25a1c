module small-services/bench

go 1.21
