#include "ctl/metrics/series.h"

#include <gtest/gtest.h>

#include "tests/unit/ctl/model/example.h"

namespace fairlead::metrics {
namespace {

TEST(Series, LabelsAreRenderedOnceAndAgainWhenBackendsChange) {
    model::Model model = model::healthy_model();
    SeriesCache cache;
    const auto& series = cache.of(model);
    ASSERT_EQ(series.size(), 2U);
    EXPECT_EQ(series[0].labels, "{service=\"portal\"");
    ASSERT_EQ(series[0].backends.size(), 2U);
    EXPECT_EQ(series[0].backends[1].labels, "{service=\"portal\",backend=\"app-2\"");
    const char* const rendered = series[0].backends[0].labels.data();
    EXPECT_EQ(cache.of(model)[0].backends[0].labels.data(), rendered) << "kept";
    ASSERT_TRUE(model.add({"portal", "app-3"}, {model::ip("10.0.4.3"), 1, {}}, model::at(2)));
    EXPECT_EQ(cache.of(model)[0].backends.size(), 3U);
}

TEST(Series, ABackendThatLeavesHidesBehindOneOfTheSameName) {
    model::Model model = model::healthy_model();
    ASSERT_TRUE(model.remove({"portal", "app-1"}, {}, model::at(2)));
    SeriesCache cache;
    EXPECT_EQ(cache.of(model)[0].backends.size(), 2U) << "it is still there";
    ASSERT_TRUE(model.add({"portal", "app-1"}, {model::ip("10.0.4.9"), 1, {}}, model::at(3)));
    ASSERT_EQ(model.services()[0].backends.size(), 3U);
    const auto& backends = cache.of(model)[0].backends;
    ASSERT_EQ(backends.size(), 2U);
    for (const BackendSeries& entry : backends) {
        EXPECT_FALSE(model.services()[0].backends[entry.position].is_removing);
    }
}

}  // namespace
}  // namespace fairlead::metrics
