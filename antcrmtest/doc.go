// Package antcrmtest is a fake AntCRM for tests. It has every endpoint, keeps its records in memory, and listens on a
// real HTTP port of 127.0.0.1.
//
//	func TestMyService(t *testing.T) {
//		srv := antcrmtest.NewServer(t)
//		service := myservice.New(srv.Client())
//		…
//		require.Equal(t, 1, srv.CountByExternalID(antcrmtest.Contacts, "ERP-475"))
//	}
//
// The fake stores what it receives and answers from its store, in the shapes that the vendor prints. It checks the key
// and the required fields, accepts at most 100 records a package, answers 20 records a page, adds and spends points,
// and hides deleted tickets. Its ids are the same in each run. It refuses a request that breaks a rule with a body that
// names the field and the rule.
//
// The vendor's pages leave many rules open. [OpenQuestions] lists them, with an [Option] for every answer that a server
// could have; the default is what the SDK decided. A program that passes its tests under each of them relies on no
// guess:
//
//	srv := antcrmtest.NewServer(t, antcrmtest.WithAnswer("contact-filter-external-id", "ignored"))
//
// Records are put there with [Server.Seed] and [Server.SeedFS], and looked at with [Server.Count], [Server.Record],
// [Server.Records], [Server.CountByExternalID] and [Server.Duplicates]. What arrived is in [Server.Requests], what the
// requests did to which record in [Server.Changes]: compare it with what your program was told. [Server.SetTime] and
// [Server.Advance] move the clock.
//
// [Server.Inject] makes requests go wrong: see [Fault] and [Effect]. A lost answer, for one, is
//
//	lost := srv.Inject(antcrmtest.Fault{Method: "POST", Path: "/contacts", Do: antcrmtest.CloseAfter, Times: 1})
//	…
//	require.Equal(t, 1, lost.Met())
//
// Servers know nothing of one another and are safe for parallel tests. The same server is the program cmd/antcrm-mock,
// for tests in other languages.
package antcrmtest
