// What every kind of port does with its block of `telemetry`.
#include "dp/engine/port.h"

#include <memory>
#include <string>

#include <gtest/gtest.h>

namespace fairlead::engine {
namespace {

// A port that has received as much as it is told, since it was opened.
class CountingPort final : public Port {
  public:
    CountingPort(const std::string& name, std::uint64_t received)
        : Port(PortOptions{.name = name, .interface = "eth0"}), received_(received) {}
    void close() override {}

  private:
    [[nodiscard]] Readings read() const override { return {.receive_packets = received_}; }
    [[nodiscard]] bool has_link() const override { return true; }
    [[nodiscard]] std::string driver() const override { return "counting"; }

    std::uint64_t received_;
};

class PortTest : public testing::Test {
  protected:
    // What the block says once a port of that name has been opened and has received that much.
    std::uint64_t received_after(const std::string& name, std::uint64_t received) {
        CountingPort port(name, received);
        port.introduce(*block_);
        port.report(*block_);
        return block_->receive_packets.get();
    }

    std::unique_ptr<shm::PortTelemetry> block_ = std::make_unique<shm::PortTelemetry>();
};

TEST_F(PortTest, GoesOnCountingOverAStartWhateverTheLengthOfItsName) {
    for (const std::size_t length : {4U, 31U, 32U, 63U}) {
        const std::string name(length, 'e');
        EXPECT_EQ(received_after(name, 5), 5U);
        EXPECT_EQ(received_after(name, 2), 7U) << length;
        EXPECT_STREQ(block_->name.data(), name.c_str());
    }
}

TEST_F(PortTest, BeginsAnewWhereAnotherPortHadItsPlace) {
    const std::string alike(62, 'e');
    EXPECT_EQ(received_after(alike + "1", 5), 5U);
    EXPECT_EQ(received_after(alike + "2", 2), 2U);
    EXPECT_EQ(received_after("e", 3), 3U);
}

TEST(Text, IsCutWhereItHasNoRoomAndLeavesNothingOfTheLastOne) {
    shm::Text<16> text{};
    text.set("a-name-that-is-too-long");
    EXPECT_STREQ(text.get().data(), "a-name-that-is-");
    text.set("eth0");
    EXPECT_STREQ(text.get().data(), "eth0");
    text.set("");
    EXPECT_EQ(text.get(), (std::array<char, 16>{}));
}

}  // namespace
}  // namespace fairlead::engine
