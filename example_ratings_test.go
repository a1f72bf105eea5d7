package antcrm_test

import (
	"fmt"
	"time"

	"github.com/antbuddy/antcrm-go"
	"github.com/antbuddy/antcrm-go/antcrmtest"
)

func ExampleRatingsService_All() {
	ctx, server, client := startFake()
	defer server.Close()
	fill(server, antcrmtest.Ratings,
		`{"_id": "6613a508dc31dd206d0239b5", "rating_score": 3, "type": "omni", "source": "ZALO", "rating_time": 1710311060673}`,
		`{"_id": "6613a508dc31dd206d0239b6", "rating_score": "5", "type": "call", "source": "CALL", "rating_time": 1710311060673}`)

	for rating, err := range client.Ratings.All(ctx, antcrm.RatingListParams{Type: antcrm.RatingTypeCall}) {
		fmt.Println(rating.Score, rating.Source, rating.RatedAt.Format(time.DateOnly), err)
	}
	// Output: 5 CALL 2024-03-13 <nil>
}
