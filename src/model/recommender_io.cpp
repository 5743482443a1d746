#include <relweave/model/recommender.hpp>
#include <relweave/core/error.hpp>
namespace relweave::model {
void Recommender::save(std::filesystem::path const&) const { raise<IoError>("save","","",""); }
Recommender Recommender::load(std::filesystem::path const&) { raise<IoError>("load","","",""); }
}
